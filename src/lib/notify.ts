export function notifySystemd(_state: string): void {}

/** Everything that SQL can call. */
export * from './adopt.ts';
export * from './compose.ts';
export * from './control.ts';
export * from './explain.ts';
export * from './http.ts';
export * from './nodes.ts';
export * from './refuse.ts';
export * from './start.ts';
export * from './variables.ts';
export * from './work.ts';

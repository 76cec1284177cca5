/** From the nested form to the engine's array and to the rows of `df.nodes`, and back. */
export { flatten, graphOf } from './program.ts';
export { programFromRows, storedNodes, unflatten, type StoredNode, type StoredProgram } from './rows.ts';
export { salvage, type Salvaged } from './salvage.ts';

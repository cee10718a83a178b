/** The layer map as data: a room may import from rooms on lower floors only, never from a neighbour on its own floor. */
export const floors: readonly (readonly string[])[] = [
  ['cli'],
  ['testing'],
  ['cluster'],
  ['apiserver', 'scheduler', 'controllers', 'kubelet', 'proxy', 'network', 'addons', 'simulation'],
  ['client', 'store'],
  ['api'],
  ['machinery'],
  ['runtime'],
]

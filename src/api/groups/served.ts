/** Which versions of which built-in resources are served: the choice that `--runtime-config` makes (upstream's `MergeAPIResourceConfigs`). */

export type Stability = 'stable' | 'beta' | 'alpha'

/** One resource in one version. Since 1.24 (KEP-3136) only stable versions are served without being asked for. */
export interface ServedRow { group: string; version: string; resource: string; stability: Stability; byDefault: boolean }

export function stabilityOf(version: string): Stability {
  return version.includes('alpha') ? 'alpha' : version.includes('beta') ? 'beta' : 'stable'
}

export const isServedByDefault = ({ byDefault }: ServedRow): boolean => byDefault

const wholeClasses: Record<string, (row: ServedRow) => boolean> = {
  'api/all': () => true,
  'api/ga': ({ stability }) => stability === 'stable',
  'api/beta': ({ stability }) => stability === 'beta',
  'api/alpha': ({ stability }) => stability === 'alpha',
}

/**
 * Parses `--runtime-config` (`api/beta=true,resource.k8s.io/v1beta1=false,storage.k8s.io/v1beta1/volumeattributesclasses`) into
 * who is served. Classes apply first, from `api/all` to `api/alpha`, then versions, then single resources; the more special wins.
 * Throws with upstream's words on what it does not know.
 */
export function parseRuntimeConfig(text: string, rows: readonly ServedRow[]): (row: ServedRow) => boolean {
  const wishes = new Map<string, boolean>()
  for (const part of text.split(',').map((item) => item.trim()).filter((item) => item !== '')) {
    const equals = part.indexOf('=')
    const key = equals < 0 ? part : part.slice(0, equals)
    const value = equals < 0 ? 'true' : part.slice(equals + 1)
    if (!/^(1|t|T|true|TRUE|True|0|f|F|false|FALSE|False|)$/.test(value)) throw new Error(`invalid value of ${key}: ${value}, err: strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`)
    wishes.set(key, value === '' || /^(1|t|true)$/i.test(value))
  }
  const groupVersionOf = ({ group, version }: ServedRow): string => (group === '' ? version : `${group}/${version}`)
  const known = new Set(rows.flatMap((row) => [groupVersionOf(row), `${groupVersionOf(row)}/${row.resource}`]))
  for (const key of wishes.keys()) {
    // `api/v1` is how the core group was named here before it was plain `v1`.
    if (!Object.hasOwn(wholeClasses, key) && !known.has(key) && !(key.startsWith('api/') && known.has(key.slice(4)))) throw new Error(`unknown api groups ${key}`)
  }
  const wish = (key: string): boolean | undefined => wishes.get(key)
  return (row) => {
    const groupVersion = groupVersionOf(row)
    let served = row.byDefault
    for (const [key, holds] of Object.entries(wholeClasses)) {
      const wanted = wish(key)
      if (wanted !== undefined && holds(row)) served = wanted
    }
    const ofVersion = wish(groupVersion) ?? (row.group === '' ? wish(`api/${groupVersion}`) : undefined)
    return wish(`${groupVersion}/${row.resource}`) ?? ofVersion ?? served
  }
}

import type { UserInfo } from '../../api/resource.ts'

export const allAuthenticated = 'system:authenticated'
export const allUnauthenticated = 'system:unauthenticated'

/** Who calls without credentials. */
export const anonymousUser: UserInfo = { username: 'system:anonymous', groups: [allUnauthenticated] }

/** The user with the group that every authenticated one is in; anonymous users are left as they are. */
export function authenticated(user: UserInfo): UserInfo {
  const { groups, username } = user
  if (username === anonymousUser.username || groups.includes(allAuthenticated) || groups.includes(allUnauthenticated)) return user
  return { ...user, groups: [...groups, allAuthenticated] }
}

import type { UserInfo } from '../../api/resource.ts'

export const allAuthenticated = 'system:authenticated'
export const allUnauthenticated = 'system:unauthenticated'

/** The user with the group that every authenticated one is in. */
export function authenticated(user: UserInfo): UserInfo {
  return user.groups.includes(allAuthenticated) ? user : { ...user, groups: [...user.groups, allAuthenticated] }
}

/** Who calls without credentials. */
export const anonymousUser: UserInfo = { username: 'system:anonymous', groups: [allUnauthenticated] }

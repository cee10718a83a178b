import { createHash } from 'node:crypto'
import type { UserInfo } from '../../api/resource.ts'
import { audienceAgnostic, type TokenChecker } from './bearer-token.ts'
import { authenticated } from './user.ts'

export interface StaticToken { token: string; username: string; uid?: string; groups?: readonly string[] }

/** One line of comma-separated values; a field may be quoted, with `""` for a quote in it. */
function fieldsOf(line: string): string[] {
  const fields: string[] = []
  let at = 0
  while (at <= line.length) {
    if (line[at] === '"') {
      let text = ''
      for (at++; at < line.length; at++) {
        if (line[at] !== '"') text += line[at]
        else if (line[at + 1] === '"') text += line[++at]
        else break
      }
      fields.push(text)
      at = line.indexOf(',', at) < 0 ? line.length + 1 : line.indexOf(',', at) + 1
    } else {
      const comma = line.indexOf(',', at)
      fields.push(line.slice(at, comma < 0 ? undefined : comma))
      at = comma < 0 ? line.length + 1 : comma + 1
    }
  }
  return fields.map((field) => field.trim())
}

/** A token file as `--token-auth-file` takes it: lines of `token,user,uid,"group1,group2"`. Throws naming the line that is wrong. */
export function parseTokenFile(text: string): StaticToken[] {
  const tokens: StaticToken[] = []
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const [token, username, uid, groups] = fieldsOf(line)
    if (username === undefined || uid === undefined) throw new Error(`token file line ${index + 1}: a line needs at least the three columns token, user name and user uid`)
    if (token === undefined || token === '') continue
    tokens.push({ token, username, uid, groups: (groups ?? '').split(',').map((group) => group.trim()).filter((group) => group !== '') })
  }
  return tokens
}

/** Knows callers by a fixed list of tokens. Looked up by hash, so that timing tells nothing about a token. `audiences`: what the tokens are meant for. */
export function staticTokenChecker(tokens: readonly StaticToken[], audiences: readonly string[]): TokenChecker {
  const hashOf = (token: string): string => createHash('sha256').update(token).digest('base64')
  const users = new Map<string, UserInfo>()
  for (const { token, username, uid, groups } of tokens) {
    if (token === '') throw new Error(`the static token of user ${username} is empty`)
    users.set(hashOf(token), authenticated({ username, ...(uid === undefined || uid === '' ? {} : { uid }), groups: [...(groups ?? [])] }))
  }
  return audienceAgnostic('tokenfile', audiences, (token) => users.get(hashOf(token)))
}

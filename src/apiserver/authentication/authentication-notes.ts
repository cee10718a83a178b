import type { ServerRequest } from '../context.ts'

/** What authentication has to say of credentials that it takes: warnings for the client, annotations for the audit log. */
export interface AuthenticationNotes { warnings: readonly string[]; annotations: Readonly<Record<string, string>> }

const notes = new WeakMap<ServerRequest, AuthenticationNotes>()

export function noteAuthentication(request: ServerRequest, found: AuthenticationNotes): void {
  notes.set(request, found)
}

export function authenticationNotesOf(request: ServerRequest): AuthenticationNotes | undefined {
  return notes.get(request)
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AuthorizationAttributes, AuthorizationDecision, Authorizer } from '../context.ts'
import { authorizerChain } from './chain.ts'

const attributes = { user: { username: 'ann', groups: [] }, verb: 'get' } as unknown as AuthorizationAttributes
const asked: string[] = []
const part = (name: string, decision: AuthorizationDecision, isLate = false): Authorizer => ({
  name,
  authorize: () => {
    asked.push(name)
    return isLate ? Promise.resolve(decision) : decision
  },
})
const none = (reason: string, error?: string): AuthorizationDecision => ({ decision: 'noOpinion', reason, ...(error === undefined ? {} : { error }) })

test('what is known at once is answered at once, and the first with an opinion decides', () => {
  asked.length = 0
  const chain = authorizerChain([part('a', none('a knows nothing')), part('b', { decision: 'deny', reason: 'b' }), part('c', { decision: 'allow', reason: 'c' })])
  assert.deepEqual(chain.authorize(attributes), { decision: 'deny', reason: 'b' })
  assert.deepEqual(asked, ['a', 'b'])
})

test('who has to be waited for is waited for, and those behind are asked afterwards', async () => {
  asked.length = 0
  const chain = authorizerChain([part('a', none('', 'a failed'), true), part('b', none('b knows nothing')), part('c', none('c neither', 'c failed'), true)])
  const answer = chain.authorize(attributes)
  assert.ok(answer instanceof Promise)
  assert.deepEqual(asked, ['a'])
  assert.deepEqual(await answer, { decision: 'noOpinion', reason: 'b knows nothing\nc neither', error: '[a failed, c failed]' })
  assert.deepEqual(asked, ['a', 'b', 'c'])
  assert.deepEqual(await authorizerChain([part('a', none('', 'only'), true)]).authorize(attributes), { decision: 'noOpinion', reason: '', error: 'only' })
})

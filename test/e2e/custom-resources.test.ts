import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { ControlPlane } from './control-plane.ts'
import { eventually } from './support.ts'

const property = { type: 'string', description: 'One of many fields, described in a sentence of usual length.' }

/** A definition of a size that operators ship. */
function plainDefinition(number: number): object {
  const group = `g${number % 60}.example.com`
  const properties = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`field${i}`, property]))
  return {
    apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: `things${number}.${group}` },
    spec: {
      group, scope: 'Namespaced', names: { plural: `things${number}`, kind: `Thing${number}` },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties } } } } }],
    },
  }
}

const cronTabs = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: crontabs.stable.example.com}
spec:
  group: stable.example.com
  scope: Namespaced
  names: {plural: crontabs, singular: crontab, kind: CronTab, shortNames: [ct], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}, scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}}
    additionalPrinterColumns:
    - {name: Spec, type: string, jsonPath: .spec.cronSpec}
    - {name: Replicas, type: integer, jsonPath: .spec.replicas}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
    selectableFields: [{jsonPath: .spec.image}]
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            description: When it runs.
            required: [cronSpec]
            x-kubernetes-validations: [{rule: "self.replicas <= 10", messageExpression: "self.replicas > 100 ? 'that is far too many' : 'no more than 10'", fieldPath: .replicas}]
            properties:
              cronSpec: {type: string}
              image: {type: string, default: busybox}
              replicas: {type: integer, minimum: 0, default: 1}
          status: {type: object, properties: {replicas: {type: integer}}}
`

describe('custom resources, as kubectl sees them', () => {
  let plane: ControlPlane
  const kubectl = (...args: string[]): Promise<string> => plane.sandbox.kubectl(...args)
  const file = (name: string, text: string): string => {
    const path = join(plane.sandbox.home, name)
    writeFileSync(path, text)
    return path
  }
  before(async () => {
    plane = await ControlPlane.start()
  })
  after(() => plane[Symbol.asyncDispose]())

  test('a definition is applied, awaited, explained and used', async () => {
    await kubectl('apply', '-f', file('crd.yaml', cronTabs))
    assert.match(await kubectl('wait', '--for=condition=established', 'crd/crontabs.stable.example.com', '--timeout=10s'), /condition met/)
    assert.match(await kubectl('explain', 'crontabs.spec'), /When it runs\.[\s\S]*cronSpec\s<string> -required-/)
    assert.match(await kubectl('explain', 'crontabs.metadata'), /FIELD: metadata <ObjectMeta>/)
    const one = file('one.yaml', 'apiVersion: stable.example.com/v1\nkind: CronTab\nmetadata: {name: one}\nspec: {cronSpec: "* * * * 5"}\n')
    assert.match(await kubectl('apply', '-f', one), /crontab\.stable\.example\.com\/one created/)
    assert.match(await kubectl('apply', '-f', one), /unchanged/)
    assert.match(await kubectl('get', 'ct'), /^NAME +SPEC +REPLICAS +AGE\none +\* \* \* \* 5 +1 +\d+s/)
    assert.match(await kubectl('get', 'all'), /crontab\.stable\.example\.com\/one/)
    assert.match(await kubectl('scale', 'ct', 'one', '--replicas=3'), /scaled/)
    assert.match(await kubectl('get', 'ct', '--field-selector', 'spec.image=busybox', '-o', 'jsonpath={.items[*].spec.replicas}'), /^3$/)
    assert.equal((await kubectl('get', 'ct', '--field-selector', 'spec.image=other', '-o', 'name')).trim(), '')
    await assert.rejects(kubectl('patch', 'ct', 'one', '--type=merge', '-p', '{"spec":{"replicas":11}}'), /spec\.replicas: Invalid value: no more than 10$/m)
    await assert.rejects(kubectl('patch', 'ct', 'one', '--type=merge', '-p', '{"spec":{"replicas":-1}}'), /spec\.replicas in body should be greater than or equal to 0/)
    await assert.rejects(kubectl('patch', 'ct', 'one', '--type=strategic', '-p', '{"spec":{"replicas":2}}'), /application\/strategic-merge-patch\+json is not supported|415/)
    assert.match(await kubectl('patch', 'ct', 'one', '--type=json', '-p', '[{"op":"replace","path":"/spec/replicas","value":2}]'), /patched/)
  })

  test('a namespace takes its custom resources along', async () => {
    await kubectl('create', 'namespace', 'gone')
    await kubectl('create', '-n', 'gone', '-f', file('two.yaml', 'apiVersion: stable.example.com/v1\nkind: CronTab\nmetadata: {name: two}\nspec: {cronSpec: x}\n'))
    await kubectl('delete', 'namespace', 'gone', '--timeout=30s')
    assert.equal((await kubectl('get', 'ct', '-A', '-o', 'name')).trim(), 'crontab.stable.example.com/one')
  })

  test('three hundred definitions: ready soon after a restart, and within 400 MB', async () => {
    await kubectl('create', '-f', file('many.json', JSON.stringify({ apiVersion: 'v1', kind: 'List', items: Array.from({ length: 300 }, (_, i) => plainDefinition(i)) })))
    await eventually('all served', async () => assert.equal((await kubectl('api-resources', '--cached=false', '-o', 'name')).split('\n').filter((line) => line.startsWith('things')).length, 300))
    const startedMs = performance.now()
    await plane.restart()
    const tookMs = performance.now() - startedMs
    assert.ok(tookMs < 10_000, `ready after ${Math.round(tookMs)} ms`)
    assert.match(await kubectl('get', 'things7'), /No resources found|^$/)
    assert.ok(plane.residentMegabytes() < 400, `${Math.round(plane.residentMegabytes())} MB`)
  })

  test('a definition is deleted with all there is of it', async () => {
    await kubectl('create', '-f', file('three.yaml', 'apiVersion: stable.example.com/v1\nkind: CronTab\nmetadata: {name: three}\nspec: {cronSpec: x}\n'))
    await kubectl('delete', 'crd', 'crontabs.stable.example.com', '--timeout=20s')
    await assert.rejects(kubectl('get', 'crontabs'), /the server (doesn't have a resource type|could not find the requested resource)/)
  })
})

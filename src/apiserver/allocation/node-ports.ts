import type { ApiServerCore } from '../core.ts'
import { metricSetOf } from '../metrics/metric-set.ts'
import { foreignObject } from '../foreign-values.ts'
import { placesOf, type PortRange } from './address-pool.ts'
import { AllocationError, TakenError } from './service-addresses.ts'

const key = '/registry/ranges/servicenodeports'
const attempts = 50

interface RangeAllocation { kind: 'RangeAllocation'; apiVersion: 'v1'; metadata: object; range: string; data: string }

/** One bit a port, the first port in the lowest bit of the last byte: Go's `big.Int`, which upstream writes. */
class Bitmap {
  #bits: bigint

  constructor(data: Uint8Array) {
    this.#bits = data.length === 0 ? 0n : BigInt(`0x${Buffer.from(data).toString('hex')}`)
  }

  has(place: number): boolean {
    return ((this.#bits >> BigInt(place)) & 1n) === 1n
  }

  set(place: number, on: boolean): void {
    const bit = 1n << BigInt(place)
    this.#bits = on ? this.#bits | bit : this.#bits & ~bit
  }

  /** How many are set. */
  count(): number {
    return this.#bits.toString(2).replaceAll('0', '').length
  }

  bytes(): Buffer {
    const hex = this.#bits === 0n ? '' : this.#bits.toString(16)
    return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
  }
}

/** Node ports handed out, kept in the store as upstream keeps them (core/v1 RangeAllocation) and changed by compare-and-set. */
export class NodePorts {
  readonly range: PortRange
  readonly #core: ApiServerCore

  constructor(core: ApiServerCore, range: PortRange) {
    this.#core = core
    this.range = range
    this.#measure(0)
  }

  async #read(): Promise<{ bitmap: Bitmap; revision: number }> {
    const { kv } = await this.#core.store.get(key)
    if (kv === undefined) return { bitmap: new Bitmap(new Uint8Array(0)), revision: 0 }
    const stored = foreignObject(Buffer.from(kv.value.buffer, kv.value.byteOffset, kv.value.byteLength)) as unknown as RangeAllocation
    // A range that was configured otherwise counts from another port: start anew, and let `repair` fill it.
    const data = stored.range === this.range.text ? Buffer.from(stored.data, 'base64') : new Uint8Array(0)
    return { bitmap: new Bitmap(data), revision: kv.modRevision }
  }

  /** Lets `change` edit the bitmap, again when another server was faster; writes unless it answers false. */
  async #change<T>(change: (bitmap: Bitmap) => { result: T; write: boolean }): Promise<T> {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const { bitmap, revision } = await this.#read()
      const { result, write } = change(bitmap)
      if (!write) return result
      const value: RangeAllocation = { kind: 'RangeAllocation', apiVersion: 'v1', metadata: {}, range: this.range.text, data: bitmap.bytes().toString('base64') }
      if ((await this.#core.store.put({ key, value: Buffer.from(JSON.stringify(value)), expected: revision })).ok) {
        this.#measure(bitmap.count())
        return result
      }
    }
    throw new AllocationError('too many servers allocate node ports at once; try again')
  }

  /** Why `port` can't be had from this range; undefined when it can. */
  problem(port: number): string | undefined {
    return port >= this.range.first && port < this.range.first + this.range.size ? undefined : `provided port is not in the valid range. The range of valid ports is ${this.range.text}`
  }

  #measure(allocated: number): void {
    const metrics = metricSetOf(this.#core)
    metrics.set('kube_apiserver_nodeport_allocator_allocated_ports', allocated)
    metrics.set('kube_apiserver_nodeport_allocator_available_ports', this.range.size - allocated)
  }

  /** Claims `port`, or any free one but `except` when it is undefined. Throws AllocationError. */
  async claim(port: number | undefined, dryRun: boolean, except: ReadonlySet<number> = new Set()): Promise<number> {
    if (dryRun) return await this.#claim(port, true, except)
    const metrics = metricSetOf(this.#core)
    const scope = port === undefined ? 'dynamic' : 'static'
    try {
      const claimed = await this.#claim(port, false, except)
      metrics.count('kube_apiserver_nodeport_allocator_allocation_total', scope)
      return claimed
    } catch (error) {
      metrics.count('kube_apiserver_nodeport_allocator_allocation_errors_total', scope)
      throw error
    }
  }

  async #claim(port: number | undefined, dryRun: boolean, except: ReadonlySet<number>): Promise<number> {
    const { first } = this.range
    if (port !== undefined) {
      const problem = this.problem(port)
      // What is only tried is not held against the range, as with upstream.
      if (dryRun && problem !== undefined) return port
      if (problem !== undefined) throw new AllocationError(problem)
      return await this.#change((bitmap) => {
        if (bitmap.has(port - first)) throw new TakenError('provided port is already allocated')
        bitmap.set(port - first, true)
        return { result: port, write: !dryRun }
      })
    }
    return await this.#change((bitmap) => {
      for (const place of placesOf(this.range, (below) => this.#core.runtime.random.int(below))) {
        if (bitmap.has(place) || except.has(first + place)) continue
        bitmap.set(place, true)
        return { result: first + place, write: !dryRun }
      }
      throw new AllocationError('range is full')
    })
  }

  async release(ports: readonly number[]): Promise<void> {
    const places = ports.filter((port) => this.problem(port) === undefined).map((port) => port - this.range.first)
    if (places.length === 0) return
    await this.#change((bitmap) => {
      for (const place of places) bitmap.set(place, false)
      return { result: undefined, write: true }
    })
  }

  /** Marks the ports in use; answers those marked that nobody uses. */
  async repair(used: ReadonlySet<number>): Promise<number[]> {
    return await this.#change((bitmap) => {
      const leaked: number[] = []
      let write = false
      for (let place = 0; place < this.range.size; place++) {
        const isUsed = used.has(this.range.first + place)
        if (bitmap.has(place) && !isUsed) leaked.push(this.range.first + place)
        if (!isUsed || bitmap.has(place)) continue
        bitmap.set(place, true)
        write = true
      }
      return { result: leaked, write }
    })
  }
}

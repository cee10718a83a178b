import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { apiServerFlags, parsePortRange } from './apiserver-flags.ts'
import { featureGatesProblem, isFeatureEnabled } from '../api/feature-gates.ts'
import { FlagError, flagDefaults, flagHelp, formatFlagValue, parseFlags } from './flags.ts'

const parse = (...args: string[]) => parseFlags(apiServerFlags, args)

test('flags are read as Go\'s pflag reads them', () => {
  const { values, given } = parse('--secure-port=7000', '--bind-address', '127.0.0.1', '--allow-privileged', '--profiling=false', '-v', '4', '--event-ttl=1h30m', '--etcd-servers=http://a:1,http://b:2',
    '--etcd-servers=http://c:3', '--service-account-issuer=https://a', '--service-account-issuer=https://b', '--feature-gates=WatchList=false', '--feature-gates=AllAlpha=true', '--goaway-chance=.01')
  assert.equal(values['secure-port'], 7000)
  assert.deepEqual(values['bind-address'], ['127.0.0.1'])
  assert.equal(values['allow-privileged'], true)
  assert.equal(values['profiling'], false)
  assert.equal(values['v'], 4)
  assert.equal(values['event-ttl'], 5_400_000)
  assert.deepEqual(values['etcd-servers'], ['http://a:1', 'http://b:2', 'http://c:3'])
  assert.deepEqual(values['service-account-issuer'], ['https://a', 'https://b'])
  assert.deepEqual({ ...values['feature-gates'] }, { WatchList: 'false', AllAlpha: 'true' })
  assert.equal(values['goaway-chance'], 0.01)
  assert.equal(values['anonymous-auth'], true)
  assert.ok(given.has('v') && !given.has('anonymous-auth'))
})

test('a wrong command line is one sentence that names the flag', () => {
  const cases: [string[], RegExp][] = [
    [['--etcd-server=x'], /^unknown flag: --etcd-server; did you mean --etcd-servers\?$/],
    [['--zzzzzzzzzzzzz'], /^unknown flag: --zzzzzzzzzzzzz$/],
    [['--insecure-port=0'], /^unknown flag: --insecure-port; did you mean --secure-port\?$/],
    [['-x'], /^unknown flag: -x/],
    [['serve'], /the argument "serve" is not understood/],
    [['--secure-port'], /^flag needs an argument: --secure-port$/],
    [['--secure-port=99999'], /^--secure-port must be from 0 to 65535, not 99999$/],
    [['--secure-port=x'], /^invalid argument "x" for "--secure-port" flag: a whole number is wanted$/],
    [['--profiling=maybe'], /true or false is wanted/],
    [['--event-ttl=5'], /a duration like/],
    [['--request-timeout=-1s'], /^--request-timeout must be at least 1s, not -1s$/],
    [['--goaway-chance=0.5'], /^--goaway-chance must be from 0 to 0.02, not 0.5$/],
    [['--tls-min-version=VersionTLS9'], /^--tls-min-version must be one of VersionTLS10, VersionTLS11, VersionTLS12, VersionTLS13, not "VersionTLS9"$/],
    [['--audit-log-mode=never'], /^--audit-log-mode must be one of batch, blocking, blocking-strict, not "never"$/],
    [['--feature-gates=Foo=true'], /unrecognized feature gate: Foo$/],
    [['--feature-gates=WatchList=maybe'], /invalid value of WatchList=maybe/],
    [['--feature-gates=SidecarContainers=false'], /cannot set feature gate SidecarContainers to false, feature is locked to true/],
    [['--service-cluster-ip-range=10.0.0.0/24,10.1.0.0/24'], /one range of each IP family/],
    [['--service-cluster-ip-range=10.0.0.0/24', '--service-cluster-ip-range=foo'], /must be a range like 10\.96\.0\.0\/16, not "foo"/],
    [['--service-node-port-range=9-1'], /must be a range of ports/],
    [['--tls-cipher-suites=ROT13'], /not "ROT13"/],
    [['--tls-sni-cert-key=a.crt'], /must be CERTIFICATE,KEY/],
    [['--tls-sni-cert-key=a.crt,a.key:'], /must be CERTIFICATE,KEY/],
    [['--cors-allowed-origins=.*'], /--cors-allowed-origins: has an invalid regular expression: regular expression does not pin to start\/end of host in the origin header/],
    [['--cors-allowed-origins=//a[$'], /--cors-allowed-origins: has an invalid regular expression: /],
    [['--advertise-address=nowhere'], /must be an IP address/],
    [['--authorization-mode=RBAC,RBAC'], /names a mode twice/],
    [['--oidc-required-claim=x'], /pairs like key=value/],
  ]
  for (const [args, message] of cases) {
    assert.throws(() => parse(...args), (error) => error instanceof FlagError && message.test(error.message), `${args.join(' ')} should fail with ${String(message)}`)
  }
})

test('map flags take any key', () => {
  const { values } = parse('--oidc-required-claim=__proto__=x,constructor=y')
  assert.deepEqual(Object.keys(values['oidc-required-claim']), ['__proto__', 'constructor'])
})

test('--help lists each flag on a line of its own, and none that is gone', () => {
  const help = flagHelp(apiServerFlags)
  for (const row of apiServerFlags) {
    const listed = new RegExp(`^\\s*(-v, )?--${row.name}\\b`, 'm').test(help)
    assert.equal(listed, !('deprecated' in row), row.name)
  }
  assert.doesNotMatch(help, /--insecure-port\b/)
  for (const line of help.split('\n')) assert.ok(line.length <= 120 || !line.includes(' ', 16), line)
})

test('names of flags are unique and in lower case, and every default passes its own check', () => {
  assert.equal(new Set(apiServerFlags.map((row) => row.name)).size, apiServerFlags.length)
  for (const row of apiServerFlags) assert.match(row.name, /^[a-z][a-z0-9-]*$/)
  for (const row of apiServerFlags) if (row.kind !== 'stringArray' && row.kind !== 'stringSlice' && row.kind !== 'map') assert.doesNotThrow(() => parse(`--${row.name}=${formatFlagValue(row, row.default)}`), row.name)
})

test('a deprecated flag is taken with a warning', () => {
  assert.deepEqual(parse('--enable-logs-handler=false').warnings, ['Flag --enable-logs-handler has been deprecated, Log handler functionality is deprecated'])
  assert.deepEqual(parse('--apiserver-count=3').warnings, ['Flag --apiserver-count has been deprecated, apiserver-count is deprecated and will be removed in a future version.'])
})

test('feature gates have their defaults, AllAlpha and AllBeta move their stage, a gate of its own wins', () => {
  assert.equal(isFeatureEnabled({}, 'CBORServingAndStorage'), false)
  assert.equal(isFeatureEnabled({ AllAlpha: 'true' }, 'CBORServingAndStorage'), true)
  assert.equal(isFeatureEnabled({ AllAlpha: 'true', CBORServingAndStorage: 'false' }, 'CBORServingAndStorage'), false)
  assert.equal(isFeatureEnabled({ AllBeta: 'false' }, 'WatchList'), false)
  assert.equal(isFeatureEnabled({ AllBeta: 'false' }, 'SidecarContainers'), true)
  assert.equal(featureGatesProblem({ WatchList: 'true', AllBeta: 'true' }), undefined)
  assert.throws(() => isFeatureEnabled({}, 'Nonsense'))
})

test('port ranges are FIRST-LAST, FIRST+SIZE or one port', () => {
  assert.deepEqual(parsePortRange('30000-32767'), { first: 30_000, last: 32_767 })
  assert.deepEqual(parsePortRange('30000+10'), { first: 30_000, last: 30_009 })
  assert.deepEqual(parsePortRange('80'), { first: 80, last: 80 })
  for (const text of ['', '0-10', '10-5', '1-70000', 'a-b']) assert.equal(parsePortRange(text), undefined)
})

test('defaults can be overridden one by one', () => {
  const values = flagDefaults(apiServerFlags, { 'secure-port': 1 })
  assert.equal(values['secure-port'], 1)
  assert.equal(values['event-ttl'], 3_600_000)
})

test('every flag comes to something, or says why it does not', async () => {
  const folder = import.meta.dirname
  const files = (await readdir(folder)).filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !file.endsWith('-flags.ts')).map((file) => join(folder, file))
  const sources = (await Promise.all([...files, join(folder, '../cli/commands/components.ts')].map((file) => readFile(file, 'utf8')))).join('\n')
  // The audit backends share their reading: `audit-${name}-mode`.
  const isUsed = (name: string): boolean => [name, name.replace(/^audit-(?:log|webhook)-/, 'audit-${name}-')].some((each) => sources.includes(`'${each}'`) || sources.includes(`\`${each}\``) || sources.includes(`flags.${each}`) || sources.includes(`values.${each}`))
  const silent = apiServerFlags.filter((row) => !('noBearing' in row) && !('refused' in row) && !isUsed(row.name)).map((row) => row.name)
  assert.deepEqual(silent, [])
})

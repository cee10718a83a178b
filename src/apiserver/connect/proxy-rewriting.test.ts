import assert from 'node:assert/strict'
import { test } from 'node:test'
import { joinedPath, rewrittenHtml, rewrittenLocation, type LinkFrame } from './proxy-rewriting.ts'

const prefix = '/api/v1/namespaces/d/pods/p/proxy'
const frame: LinkFrame = { scheme: '', host: '', prefix, sourceHost: '10.0.0.1:80', requestHost: 'server:6443' }

test('links to the backend by an absolute path lead through the proxy, all others stay', () => {
  const cases: Array<[string, string | undefined]> = [
    ['/a', `${prefix}/a`], ['/', `${prefix}/`], ['/a/?q=1#f', `${prefix}/a/?q=1#f`], ['/a/../b//c', `${prefix}/b/c`],
    ['http://10.0.0.1:80/a', `${prefix}/a`], ['//10.0.0.1:80/a', `${prefix}/a`], ['https://server:6443/a', `https://server:6443${prefix}/a`],
    ['http://elsewhere/a', 'http://elsewhere/a'], ['a/b', 'a/b'], ['', ''], ['?q=1', '?q=1'], ['#top', '#top'], ['mailto:x@y', 'mailto:x@y'], ['javascript:void(0)', 'javascript:void(0)'],
    [`${prefix}/a`, `${prefix}/a`], ['/%zz', undefined], ['/a b', undefined],
  ]
  for (const [link, wanted] of cases) assert.equal(rewrittenLocation(link, frame), wanted, link)
  assert.equal(rewrittenLocation('/a', { ...frame, scheme: 'https', host: 'svc:443', prefix: '' }), 'https://svc:443/a')
})

test('paths are joined as Go joins them', () => {
  for (const [a, b, wanted] of [['', '', '/'], ['', '/', '/'], ['', '/a/', '/a/'], ['/x', '/a', '/x/a'], ['/x/', '//a//b/', '/x/a/b/'], ['/x', '../../y', '/y'], ['', '/./a/.', '/a']] as const) assert.equal(joinedPath(a, b), wanted, `${a} + ${b}`)
})

test('of a page only the attributes that hold links change', () => {
  const cases: Array<[string, string]> = [
    ['<a href="/x">/y</a>', `<a href="${prefix}/x">/y</a>`], ["<a href='/x'>", `<a href="${prefix}/x">`], ['<a href=/x>', `<a href="${prefix}/x">`], ['<A HREF = "/x">', `<A HREF = "${prefix}/x">`],
    ['<img src="/i.png" alt="/x" data-src="/y">', `<img src="${prefix}/i.png" alt="/x" data-src="/y">`], ['<form action="/go?a=1&amp;b=2">', `<form action="${prefix}/go?a=1&amp;b=2">`],
    ['<a title="a > b" href="/x">', `<a title="a > b" href="${prefix}/x">`], ['<div href="/x">', '<div href="/x">'], ['<!-- <a href="/x"> -->', '<!-- <a href="/x"> -->'],
    ['<script src="/s.js">"<a href=\'/x\'>"</script><a href="/x">', `<script src="${prefix}/s.js">"<a href='/x'>"</script><a href="${prefix}/x">`],
    ['<style>a{background:url(/x)}</style>', '<style>a{background:url(/x)}</style>'], ['a < b and <c', 'a < b and <c'], ['<a href="/x', `<a href="/x`], ['', ''],
  ]
  for (const [page, wanted] of cases) assert.equal(rewrittenHtml(page, frame), wanted, page)
})

test('a long broken page takes no long time', () => {
  const page = `${'<script>'.repeat(20_000)}${'<a href="'.repeat(20_000)}`
  assert.equal(rewrittenHtml(page, frame).length, page.length)
})

/**
 * Joins the sources of the command line into few files, which load in a third of the time: `node scripts/bundle.ts FOLDER`.
 *
 * Every bundle is a folder of its own inside FOLDER, and `FOLDER/current` says which is the newest: a server that runs loads parts of
 * itself when they are first needed, and must find those it was started with.
 */
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, isAbsolute, join, relative } from 'node:path'
import { build, type Plugin } from 'rolldown'

const root = join(import.meta.dirname, '..')
/** Bundles that stay beside the new one, for servers that were started with them. */
const kept = 4

/** Sources find files beside them by `import.meta.dirname`, which in the bundle is another folder. */
function foldersOfSources(outdir: string): Plugin {
  return {
    name: 'folders of sources',
    transform: {
      filter: { code: 'import.meta.dirname' },
      handler: (code, path) => code.replaceAll('import.meta.dirname', `(import.meta.dirname + ${JSON.stringify(`/${relative(outdir, dirname(path))}`)})`),
    },
  }
}

/** Removes all but the newest, with what builds that were broken off have left. */
async function removeOld(folder: string): Promise<void> {
  const entries = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isDirectory())
  const dated = await Promise.all(entries.map(async ({ name }) => ({ name, madeMs: (await stat(join(folder, name))).mtimeMs })))
  const old = dated.sort((a, b) => b.madeMs - a.madeMs).slice(kept + 1)
  for (const { name } of old) await Promise.all([name, `${name}.new`].map((each) => rm(join(folder, each), { recursive: true, force: true })))
}

async function main(folder: string): Promise<void> {
  const name = `${Date.now()}-${process.pid}`
  const [outdir, mark] = [join(folder, name), join(folder, `${name}.new`)]
  await mkdir(outdir, { recursive: true })
  try {
    // Its time is compared with those of the sources: what changes from here on is not in this bundle.
    await writeFile(mark, `${name}\n`)
    await build({
      input: { main: join(root, 'src/cli/main.ts') }, platform: 'node', treeshake: false, plugins: [foldersOfSources(outdir)],
      // Libraries stay where they are.
      external: (id) => !id.startsWith('.') && !isAbsolute(id),
      output: { dir: outdir, format: 'esm' },
    })
    await rename(mark, join(folder, 'current'))
  } catch (error) {
    await Promise.all([outdir, mark].map((path) => rm(path, { recursive: true, force: true })))
    throw error
  }
  await removeOld(folder)
}

const [folder] = process.argv.slice(2)
if (folder === undefined) throw new Error('which folder? node scripts/bundle.ts FOLDER')
await main(folder)

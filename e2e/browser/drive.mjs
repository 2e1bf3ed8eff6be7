// Drives one Chromium, a window for each person, as it is told: a line of JSON on standard input is an order, one on
// standard output what came of it. People use the keyboard alone.
import { mkdir } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import AxeBuilder from '@axe-core/playwright'
import { chromium } from 'playwright-core'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const task = JSON.parse((await lines.next()).value)
const browser = await chromium.launch({
  executablePath: task.chromium,
  args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking', `--host-resolver-rules=MAP *.example 127.0.0.1:${task.elsewhere}`],
})
await mkdir(task.folder, { recursive: true })
const windows = new Map()

async function open (_, { scripts, authenticator }) {
  // Names that end in .example are a server of the test, of which no authority knows.
  const context = await browser.newContext({ javaScriptEnabled: scripts, ignoreHTTPSErrors: true, reducedMotion: 'reduce', viewport: { width: 1280, height: 800 } })
  context.setDefaultTimeout(task.patience)
  const page = await context.newPage()
  const w = { context, page, said: [], origins: new Set(), launched: [] }
  page.on('console', m => {
    const text = m.text()
    if (['error', 'warning'].includes(m.type()) && !/^Failed to load resource: the server responded with a status of 4/.test(text)) w.said.push(text)
  })
  page.on('pageerror', e => w.said.push(String(e)))
  page.on('request', r => {
    if (!/^(https?|about):/.test(r.url())) {
      w.launched.push(r.url())
      return
    }
    w.origins.add(new URL(r.url()).origin)
    if (!r.isNavigationRequest()) w.said.push(`requested ${r.url()}`)
  })
  if (authenticator) {
    const devtools = await context.newCDPSession(page)
    await devtools.send('WebAuthn.enable')
    await devtools.send('WebAuthn.addVirtualAuthenticator', {
      options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
    })
  }
  return w
}

const shown = async ({ page }) => ({ url: page.url(), title: await page.title(), text: await page.locator('body').innerText() })

// reach goes to what is called so by Tab.
async function reach (w, name) {
  const { page, said } = w
  const all = await page.locator('a[href], button, input:not([type=hidden])').count()
  for (let i = 0; i < all; i++) {
    await page.keyboard.press('Tab')
    const at = await page.evaluate(() => {
      const e = document.activeElement
      const style = getComputedStyle(e)
      return {
        name: (e.getAttribute('aria-label') ?? e.labels?.[0]?.innerText ?? e.innerText).replace(/[\u2066-\u2069]/g, '').replace(/\s+/g, ' ').trim(),
        shown: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1,
      }
    })
    if (!at.shown) said.push(`${page.url()}: ${at.name} shows no focus`)
    if (at.name === name || at.name.endsWith(' ' + name)) return
  }
  throw new Error(`no ${name} is reached by keyboard on ${page.url()}:\n${(await shown(w)).text}`)
}

const committed = page => page.waitForEvent('framenavigated', { predicate: f => f === page.mainFrame() })

const orders = {
  goto: async (w, { url }) => { await w.page.goto(url, { waitUntil: 'commit' }).catch(e => { if (!/ERR_ABORTED|interrupted/.test(e.message)) throw e }) },
  see: async (w, { heading }) => {
    try {
      await w.page.locator('h1').getByText(heading, { exact: true }).or(w.page.locator('h1', { hasText: heading })).first().waitFor()
    } catch {
      const { url, text } = await shown(w)
      throw new Error(`not shown: ${heading}, but ${url}:\n${text}\n${w.said.join('\n')}`)
    }
    return shown(w)
  },
  press: async (w, { name, stays }) => {
    await reach(w, name)
    await Promise.all([stays ? undefined : committed(w.page), w.page.keyboard.press('Enter')])
  },
  fill: async (w, { name, text }) => {
    await reach(w, name)
    await w.page.keyboard.press('ControlOrMeta+A')
    await w.page.keyboard.type(text)
  },
  twice: async (w, { name }) => {
    await Promise.all([committed(w.page), w.page.getByRole('button', { name }).dblclick({ noWaitAfter: true })])
  },
  back: async w => {
    await w.page.waitForLoadState() // there is no way back from a page that is not there yet
    await w.page.goBack({ waitUntil: 'commit' })
  },
  arrive: async (w, { url }) => {
    try {
      await w.page.waitForURL(u => u.href.startsWith(url), { waitUntil: 'commit' })
    } catch {
      const { url: at, text } = await shown(w)
      throw new Error(`not arrived at ${url}, but ${at}:\n${text}\n${w.said.join('\n')}`)
    }
    return { url: w.page.url() }
  },
  either: async (w, { url, text }) => {
    await Promise.any([
      w.page.waitForURL(u => u.href.startsWith(url), { waitUntil: 'commit' }),
      w.page.getByText(text, { exact: true }).first().waitFor(),
    ])
    return { url: w.page.url() }
  },
  launched: async (w, { url }) => {
    const found = () => w.launched.find(l => l.startsWith(url))
    if (!found()) await w.page.waitForEvent('request', { predicate: found })
    const at = found()
    w.launched = []
    return { url: at }
  },
  look: async (w, { name }) => {
    const { page, said } = w
    for (const width of [320, 1280]) {
      for (const colorScheme of ['light', 'dark']) {
        await page.setViewportSize({ width, height: 800 })
        await page.emulateMedia({ colorScheme })
        const say = what => said.push(`${name}, ${width} px, ${colorScheme}: ${what}`)
        const { violations } = await new AxeBuilder({ page }).setLegacyMode(true).analyze()
        for (const v of violations) say(`axe: ${v.id}: ${v.help}: ${v.nodes.map(n => n.html).join(' ')}`)
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
        if (wide > 0) say(`${wide} px too wide`)
        await page.screenshot({ path: `${task.folder}/${name}-${width}-${colorScheme}.png`, fullPage: true })
      }
    }
    return shown(w)
  },
  close: async w => {
    await w.context.close()
    return { said: w.said, origins: [...w.origins] }
  },
}

async function obey ({ id, window, order, with: given }) {
  const reply = { id }
  try {
    if (order === 'open') windows.set(window, await open(null, given))
    else reply.answer = await orders[order](windows.get(window), given)
  } catch (e) {
    reply.error = e.message
  }
  process.stdout.write(JSON.stringify(reply) + '\n')
}

for (let line = await lines.next(); !line.done; line = await lines.next()) void obey(JSON.parse(line.value))
await browser.close()

// Opens pages in Chromium as people do, and says what is wrong with them. The task comes as JSON on standard input, the
// findings go as JSON to standard output.
import { mkdir } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import AxeBuilder from '@axe-core/playwright'
import { chromium } from 'playwright-core'

const task = JSON.parse(await text(process.stdin))
const findings = []
const browser = await chromium.launch({
  executablePath: task.chromium,
  args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking'],
})
await mkdir(task.folder, { recursive: true })

// open gives a window of its own that reports what its pages complain of. What leads elsewhere is held up.
async function open (options) {
  const context = await browser.newContext(options)
  const page = await context.newPage()
  const window = { page, context, where: '' }
  window.say = (kind, what) => findings.push({ where: window.where, kind, what: String(what) })
  page.on('console', m => { if (['error', 'warning'].includes(m.type())) window.say('console', m.text()) })
  page.on('pageerror', e => window.say('error', e))
  page.on('request', r => { if (!r.isNavigationRequest()) window.say('request', r.url()) })
  await context.route(url => url.href.startsWith('http') && !url.href.startsWith(task.base), route => route.fulfill({ status: 204 }))
  return window
}

// keyboard goes through the page by Tab.
async function keyboard ({ page, say }) {
  const all = await page.locator('a[href], button, input:not([type=hidden])').count()
  const seen = new Set()
  for (let i = 0; i < all; i++) {
    await page.keyboard.press('Tab')
    const at = await page.evaluate(() => {
      const e = document.activeElement
      const style = getComputedStyle(e)
      return {
        at: [...document.querySelectorAll('*')].indexOf(e),
        tag: e.tagName,
        outline: style.outlineStyle,
        width: parseFloat(style.outlineWidth),
        height: e.getBoundingClientRect().height
      }
    })
    seen.add(at.at)
    if (at.outline === 'none' || at.width < 2) say('focus', `${at.tag} shows no focus`)
    if (['BUTTON', 'INPUT'].includes(at.tag) && at.height < 44) say('size', `${at.tag} is ${at.height} px high`)
  }
  if (seen.size !== all) say('keyboard', `${seen.size} of ${all} are reached`)
}

// examine looks at a page with scripts on, which only those who look need.
async function examine (window) {
  const { page, say } = window
  const { violations } = await new AxeBuilder({ page }).setLegacyMode(true).analyze()
  for (const v of violations) say('axe', `${v.id}: ${v.help}: ${v.nodes.map(n => n.html).join(' ')}`)
  for (const v of await page.evaluate(() => window.violations)) say('policy', v)
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
  if (wide > 0) say('reflow', `${wide} px too wide`)
  await keyboard(window)
}

async function tour (width, colorScheme) {
  const options = { viewport: { width, height: 800 }, colorScheme, reducedMotion: 'reduce' }
  const scripted = await open(options)
  await scripted.page.addInitScript(() => {
    window.violations = []
    document.addEventListener('securitypolicyviolation', e => window.violations.push(`${e.violatedDirective} ${e.blockedURI}`))
  })
  const plain = await open({ ...options, javaScriptEnabled: false })
  for (const { name, path } of task.pages) {
    scripted.where = `${name}, ${width} px, ${colorScheme}`
    // A page that goes on by itself is never done with loading, as what it goes to is held up.
    await scripted.page.goto(task.base + path, { waitUntil: 'commit' })
    await scripted.page.locator('h1').waitFor()
    await examine(scripted)

    plain.where = scripted.where + ', without scripts'
    await plain.page.goto(task.base + path, { waitUntil: 'commit' })
    await plain.page.locator('h1').waitFor()
    if (await plain.page.locator('h1').count() !== 1) plain.say('shown', 'no single heading')
    await plain.page.screenshot({ path: `${task.folder}/${name}-${width}-${colorScheme}.png`, fullPage: true })
  }
  await scripted.context.close()
  await plain.context.close()
}

await Promise.all(task.widths.flatMap(width => ['light', 'dark'].map(scheme => tour(width, scheme))))
await browser.close()
process.stdout.write(JSON.stringify(findings))

// Presses the one button of each page, and says at which addresses the browser was afterwards. The task comes as JSON on
// standard input, the answers go as JSON to standard output.
import { text } from 'node:stream/consumers'
import { chromium } from 'playwright-core'

const task = JSON.parse(await text(process.stdin))
const browser = await chromium.launch({
  executablePath: task.chromium,
  args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking'],
})
const answers = []
for (const { url, scripts, press } of task.ways) {
  const context = await browser.newContext({ javaScriptEnabled: scripts })
  const page = await context.newPage()
  const answer = { at: '', refused: '' }
  const arrived = page.waitForURL(u => u.pathname === '/arrived', { timeout: task.patience, waitUntil: 'commit' })
  const refused = page.waitForEvent('console', { predicate: m => /form-action/.test(m.text()), timeout: task.patience })
  const either = Promise.any([arrived, refused.then(m => { answer.refused = m.text() })]).catch(() => {})
  await page.goto(url, { waitUntil: 'commit' })
  if (press) await page.locator(press).click({ noWaitAfter: true })
  await either
  answer.at = page.url()
  answers.push(answer)
  await context.close()
}
await browser.close()
process.stdout.write(JSON.stringify(answers))

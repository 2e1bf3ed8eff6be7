// Makes a passkey with a virtual authenticator and uses it, each by the one button of its page. The task comes as JSON on
// standard input, the answer goes as JSON to standard output.
import { text } from 'node:stream/consumers'
import { chromium } from 'playwright-core'

const task = JSON.parse(await text(process.stdin))
const browser = await chromium.launch({
  executablePath: task.chromium,
  args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking'],
})
const context = await browser.newContext()
const page = await context.newPage()
const said = []
page.on('console', m => said.push(m.text()))
page.on('pageerror', e => said.push(String(e)))
const devtools = await context.newCDPSession(page)
await devtools.send('WebAuthn.enable')
const { authenticatorId } = await devtools.send('WebAuthn.addVirtualAuthenticator', {
  options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: task.verifies, automaticPresenceSimulation: true },
})
const press = async (from, to) => {
  await page.goto(task.base + from, { waitUntil: 'load' })
  await page.locator('button.main').click({ noWaitAfter: true })
  await Promise.any([
    page.waitForURL(task.base + to, { timeout: task.patience, waitUntil: 'load' }),
    page.locator('#failed:not([hidden])').waitFor({ timeout: task.patience }),
  ])
}
await press('/new', '/made')
const { credentials } = await devtools.send('WebAuthn.getCredentials', { authenticatorId })
if (credentials.length) await press('/prove', '/proved')
await browser.close()
process.stdout.write(JSON.stringify({ at: page.url(), said, made: credentials.length }))

// Package providertest is providers of others, over real HTTP, for tests and the demo: each with the habits of the service that
// it stands for, stated here once more and not read from its manifest, and with switches for what goes wrong.
package providertest

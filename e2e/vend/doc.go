// Package vend holds, by the whole product, what is promised of the credentials that
// people connect: refreshed once however many ask and whichever process dies, opened
// in their own place only, and nowhere in clear. Providers are fakes, and
// authorization servers of other people. It is tests only.
package vend

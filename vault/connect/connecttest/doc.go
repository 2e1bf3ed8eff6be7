// Package connecttest is the contract that every store of links and trips keeps, and a store in memory that keeps it. It is
// for tests.
package connecttest

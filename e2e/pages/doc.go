// Package pages holds the documentation to the product: what a page shows as an
// object must be one.
//
// It has tests only, and reads pages and packages as a reader would use them.
package pages

// Package pages holds the documentation to the product: what a page shows as an
// object must be one, and what the README tells a reader to type must work.
//
// It has tests only, and reads pages and packages as a reader would use them.
package pages

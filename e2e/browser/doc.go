// Package browser looks at the pages in Chromium, as people see them: on a phone and
// on a desk, light and dark, by keyboard, with scripts off. The pictures are build
// output (build/pages), to be looked at.
//
// It is tests only; deploy/ci/install-tools.sh installs the browser and what drives it.
package browser

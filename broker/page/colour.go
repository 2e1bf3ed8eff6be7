package page

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
)

// colour is sRGB.
type colour struct{ r, g, b uint8 }

var colourPattern = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

func readColour(s string) (colour, bool) {
	if !colourPattern.MatchString(s) {
		return colour{}, false
	}
	n, err := strconv.ParseUint(s[1:], 16, 24)
	return colour{uint8(n >> 16), uint8(n >> 8), uint8(n)}, err == nil //nolint:gosec // G115: one byte each of 24 bits
}

func (c colour) String() string { return fmt.Sprintf("#%02x%02x%02x", c.r, c.g, c.b) }

// luminance is WCAG 2.2's relative luminance.
func (c colour) luminance() float64 {
	linear := func(v uint8) float64 {
		s := float64(v) / 255
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c.r) + 0.7152*linear(c.g) + 0.0722*linear(c.b)
}

// contrast is WCAG 2.2's contrast ratio, from 1 to 21.
func contrast(a, b colour) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// What WCAG 2.2 AA asks of text (§1.4.3) and of the edges of what can be operated (§1.4.11).
const (
	textContrast = 4.5
	edgeContrast = 3.0
)

// theme is one of the two schemes that the style sheet knows; a test compares it with the sheet.
type theme struct{ paper, accent colour }

var (
	light = theme{paper: colour{0xff, 0xff, 0xff}, accent: colour{0x1f, 0x56, 0x96}}
	dark  = theme{paper: colour{0x1a, 0x1f, 0x29}, accent: colour{0x8f, 0xbb, 0xee}}
	black = colour{}
	white = colour{0xff, 0xff, 0xff}
)

// accents settles what a tenant's colour is used for in a theme: filled buttons where its edge is seen on the paper,
// letters and lines where it can be read there. Where it cannot, the theme's own accent stays.
func (t theme) accents(c colour) (fill, onFill, ink colour) {
	fill, ink = c, c
	if contrast(c, t.paper) < edgeContrast {
		fill = t.accent
	}
	if contrast(c, t.paper) < textContrast {
		ink = t.accent
	}
	onFill = white
	if contrast(fill, white) < contrast(fill, black) {
		onFill = black
	}
	return fill, onFill, ink
}

package page_test

import (
	"bytes"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/page"
	"github.com/chancery-dev/chancery/broker/page/pagetest"
)

// TestContrast: every colour there is leaves both themes readable: WCAG 2.2 §1.4.3 and §1.4.11.
func TestContrast(t *testing.T) {
	for r := 0; r < 256; r += 15 {
		for g := 0; g < 256; g += 15 {
			for b := 0; b < 256; b += 15 {
				hue := fmt.Sprintf("#%02x%02x%02x", r, g, b)
				papers, _, fills, onFills, inks := page.Themes(hue)
				for i := range papers {
					if c := page.Contrast(fills[i], papers[i]); c < 3 {
						t.Fatalf("%s: a button of %s on %s: %.2f", hue, fills[i], papers[i], c)
					}
					if c := page.Contrast(onFills[i], fills[i]); c < 4.5 {
						t.Fatalf("%s: %s on %s: %.2f", hue, onFills[i], fills[i], c)
					}
					if c := page.Contrast(inks[i], papers[i]); c < 4.5 {
						t.Fatalf("%s: %s on %s: %.2f", hue, inks[i], papers[i], c)
					}
				}
			}
		}
	}
	if c := page.Contrast("#000000", "#ffffff"); c != 21 {
		t.Errorf("black on white: %v", c)
	}
	if c := page.Contrast("#777777", "#ffffff"); c < 4.47 || c > 4.49 {
		t.Errorf("grey on white: %v", c)
	}
}

// TestFallback: a colour that can be read on one paper only is used there, and the theme's own on the other.
func TestFallback(t *testing.T) {
	_, accents, fills, _, inks := page.Themes("#000080")
	if fills[0] != "#000080" || inks[0] != "#000080" || fills[1] != accents[1] || inks[1] != accents[1] {
		t.Errorf("%v %v", fills, inks)
	}
	_, accents, fills, _, inks = page.Themes("#ffff66")
	if fills[0] != accents[0] || inks[0] != accents[0] || fills[1] != "#ffff66" || inks[1] != "#ffff66" {
		t.Errorf("%v %v", fills, inks)
	}
}

// TestThemesAreTheSheets: contrast is measured against the colours that the sheet has.
func TestThemesAreTheSheets(t *testing.T) {
	papers, accents, _, _, _ := page.Themes("#000000")
	for i, theme := range strings.SplitN(page.SheetText, "prefers-color-scheme:dark", 2) {
		for _, want := range []string{"--paper:" + papers[i], "--accent:" + accents[i], "--fill:" + accents[i]} {
			if !strings.Contains(theme, want+";") {
				t.Errorf("the sheet's theme %d lacks %s", i, want)
			}
		}
	}
	for _, no := range []string{"url(", "@import", "@font-face", "expression", "http", "<"} {
		if strings.Contains(page.SheetText, no) {
			t.Errorf("the sheet holds %s", no)
		}
	}
}

func TestNewBrand(t *testing.T) {
	brand, err := page.NewBrand(" Acme\u202e  Corp ", pagetest.Logo(), "#7A1FA2")
	if err != nil || brand.Name() != "Acme Corp" {
		t.Errorf("%q %v", brand.Name(), err)
	}
	if brand, err := page.NewBrand("", nil, ""); err != nil || brand.Name() != "Chancery" || brand != (page.Brand{}) {
		t.Errorf("%q %v", brand.Name(), err)
	}
	picture := image.NewNRGBA(image.Rect(0, 0, 8, 8))
	var photo, moving, wide bytes.Buffer
	if jpeg.Encode(&photo, picture, nil) != nil || gif.Encode(&moving, picture, nil) != nil || png.Encode(&wide, image.NewNRGBA(image.Rect(0, 0, 1025, 1))) != nil {
		t.Fatal("no pictures")
	}
	if _, err := page.NewBrand("Acme", photo.Bytes(), ""); err != nil {
		t.Error(err)
	}
	for name, logo := range map[string][]byte{
		"SVG": []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`), "HTML": []byte("<script>"), "an address": []byte("https://evil.example/x.png"),
		"GIF": moving.Bytes(), "half": pagetest.Logo()[:60], "large": append(pagetest.Logo(), make([]byte, page.MaxLogoBytes)...), "wide": wide.Bytes(),
	} {
		if brand, err := page.NewBrand("Acme", logo, ""); err == nil || brand != (page.Brand{}) {
			t.Errorf("%s is a logo", name)
		}
	}
	for _, hue := range []string{"red", "#fff", "#gggggg", "#7a1fa2;}", "7a1fa2", "#7a1fa2\n", "url(x)", "#7a1fa200"} {
		if _, err := page.NewBrand("Acme", nil, hue); err == nil {
			t.Errorf("%q is a colour", hue)
		}
	}
	if _, err := page.NewBrand("\u200b", []byte("x"), "red"); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("not every problem is told: %v", err)
	}
}

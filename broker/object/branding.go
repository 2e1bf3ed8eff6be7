package object

import (
	"bytes"
	"fmt"
	"image"
	_ "image/jpeg" // a logo's formats
	_ "image/png"
)

// What a logo may be, as pages show one: they refuse what is larger.
const (
	MaxLogoBytes  = 48 << 10
	MaxLogoWidth  = 1024 // pixels
	MaxLogoHeight = 512
)

func (b TenantBranding) check(f *findings) {
	f.value("spec.branding.colour", b.Colour, colourProblem)
	f.value("spec.branding.logo.file", b.Logo.File, pathProblem)
	switch {
	case len(b.Logo.Data) > 0 && b.Logo.File != "":
		f.add("spec.branding.logo", "names both data and file: expected one")
	case len(b.Logo.Data) > 0:
		if wrong := LogoProblem(b.Logo.Data); wrong != "" {
			f.add("spec.branding.logo.data", "%s", wrong)
		}
	}
}

// LogoProblem says what is wrong with a picture, or "". The whole of it is decoded, so that nothing else goes to browsers
// under the name of one; SVG is a document that can hold scripts, and is none.
func LogoProblem(logo []byte) string {
	if len(logo) > MaxLogoBytes {
		return fmt.Sprintf("is larger than %d KiB", MaxLogoBytes>>10)
	}
	config, format, err := image.DecodeConfig(bytes.NewReader(logo))
	if err != nil || format != "png" && format != "jpeg" {
		return "is neither PNG nor JPEG"
	}
	if config.Width > MaxLogoWidth || config.Height > MaxLogoHeight || config.Width == 0 || config.Height == 0 {
		return fmt.Sprintf("has %d×%d pixels: at most %d×%d", config.Width, config.Height, MaxLogoWidth, MaxLogoHeight)
	}
	if _, _, err := image.Decode(bytes.NewReader(logo)); err != nil {
		return "is damaged"
	}
	return ""
}

func colourProblem(s string) string {
	const wrong = "is no colour: expected #rrggbb"
	if len(s) != 7 || s[0] != '#' {
		return wrong
	}
	for i := 1; i < len(s); i++ {
		if c := s[i]; '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' {
			continue
		}
		return wrong
	}
	return ""
}

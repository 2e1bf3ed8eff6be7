package page

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"image"
	_ "image/jpeg" // a logo's formats
	_ "image/png"
)

// What a logo may be: small enough to be in every page.
const (
	MaxLogoBytes  = 48 << 10
	MaxLogoWidth  = 1024 // pixels
	MaxLogoHeight = 512
	maxBrandName  = 60
)

// Brand is how a tenant looks. The zero Brand is Chancery's own.
type Brand struct {
	name string
	logo template.URL
	// sheet sets the accents of both themes; empty for the default ones.
	sheet template.CSS
}

// NewBrand checks a tenant's name, logo and colour. The name may be empty (then pages say Chancery), so may the logo (the
// bytes of a PNG or JPEG; never a reference to one) and the colour (#rrggbb). Problems are told, all of them.
func NewBrand(name string, logo []byte, hue string) (Brand, error) {
	b := Brand{name: visible(name, maxBrandName)}
	var problems []error
	if name != "" && b.name == "" {
		problems = append(problems, errors.New("page: the name has nothing that can be seen"))
	}
	if len(logo) > 0 {
		source, err := embed64(logo)
		if err != nil {
			problems = append(problems, err)
		}
		b.logo = source
	}
	if hue != "" {
		c, ok := readColour(hue)
		if !ok {
			problems = append(problems, errors.New("page: the colour is not of the form #rrggbb"))
		}
		b.sheet = sheetOf(c)
	}
	if len(problems) > 0 {
		return Brand{}, errors.Join(problems...)
	}
	return b, nil
}

// Name is the tenant's name as pages show it.
func (b Brand) Name() string {
	if b.name == "" {
		return "Chancery"
	}
	return b.name
}

// embed64 decodes the whole picture, so that nothing else is passed to browsers under the name of one. SVG is a document
// that can hold scripts and references, and is not taken.
func embed64(logo []byte) (template.URL, error) {
	if len(logo) > MaxLogoBytes {
		return "", fmt.Errorf("page: the logo is larger than %d bytes", MaxLogoBytes)
	}
	config, format, err := image.DecodeConfig(bytes.NewReader(logo))
	if err != nil || format != "png" && format != "jpeg" { // others may be linked into the program
		return "", errors.New("page: the logo is neither PNG nor JPEG")
	}
	if config.Width > MaxLogoWidth || config.Height > MaxLogoHeight || config.Width == 0 || config.Height == 0 {
		return "", fmt.Errorf("page: the logo is larger than %d×%d pixels", MaxLogoWidth, MaxLogoHeight)
	}
	if _, _, err := image.Decode(bytes.NewReader(logo)); err != nil {
		return "", errors.New("page: the logo is damaged")
	}
	return template.URL("data:image/" + format + ";base64," + base64.StdEncoding.EncodeToString(logo)), nil //nolint:gosec // G203: a decoded picture in base64
}

// sheetOf holds nothing but six hexadecimal digits a colour, made here.
func sheetOf(c colour) template.CSS {
	set := func(t theme) string {
		fill, onFill, ink := t.accents(c)
		return fmt.Sprintf(":root{--fill:%s;--on-fill:%s;--accent:%s}", fill, onFill, ink)
	}
	return template.CSS(set(light) + "@media(prefers-color-scheme:dark){" + set(dark) + "}") //nolint:gosec // G203: see above
}

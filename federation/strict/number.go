package strict

import (
	"encoding/json"
	"strconv"
	"strings"
)

// maxNumber bounds the length of a number's text. 1e308 written in full has
// 309 digits; nobody who means well writes more than a few dozen.
const maxNumber = 128

// number keeps a JSON number exactly: an int64 when it is written without
// fraction and exponent and fits, otherwise a json.Number with the text as
// sent (`-0` too, which no int64 can hold). RFC 8259 §6 lets a reader bound
// range and precision; a text like 1e999999999 costs those who compute with it
// exactly (policy evaluation does) gigabytes.
func number(text string) (any, bool) {
	if len(text) > maxNumber {
		return nil, false
	}
	if text != "-0" {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n, true
		}
	}
	if _, exponent, found := strings.Cut(strings.ToLower(text), "e"); found {
		if n, err := strconv.Atoi(exponent); err != nil || n < -400 || n > 400 {
			return nil, false
		}
	}
	if _, err := strconv.ParseFloat(text, 64); err != nil {
		return nil, false
	}
	return json.Number(text), true
}

package main

import (
	"bytes"
	"fmt"
	"html"
)

// All measures are in SVG units.
const (
	margin     = 28
	columnGap  = 252
	cardWidth  = 220
	cardHeight = 58
	legHeight  = 42
	lineHeight = 19
	boxWidth   = 244
)

// Colours are written twice rather than as CSS variables, which renderers outside
// browsers do not know.
const style = `<style>
  text { font: 14px -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, "DejaVu Sans", sans-serif; fill: #1f2328 }
  text.title { font-weight: 600 }
  text.fine { font-size: 12px; fill: #59636e }
  text.leg { font-size: 12px; font-weight: 600; fill: #59636e }
  text.ours-text { fill: #ffffff }
  .page { fill: #ffffff }
  .card, .work { fill: #f6f8fa; stroke: #c4ccd4 }
  .ours { fill: #0b5cad }
  .work-ours { fill: #e9f2fc; stroke: #0b5cad }
  .life { stroke: #c4ccd4; stroke-dasharray: 3 5 }
  .rule { stroke: #d5dbe1 }
  .arrow { stroke: #1f2328; stroke-width: 1.5 }
  .answer { stroke-dasharray: 6 4 }
  .tip { fill: #1f2328 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    text.fine, text.leg { fill: #9aa3ad }
    text.ours-text { fill: #ffffff }
    .page { fill: #0d1117 }
    .card, .work { fill: #1c2128; stroke: #4b535d }
    .ours { fill: #1f6fc4 }
    .work-ours { fill: #12263d; stroke: #4d9bea }
    .life { stroke: #4b535d }
    .rule { stroke: #30363d }
    .arrow { stroke: #e6edf3 }
    .tip { fill: #e6edf3 }
  }
</style>
`

func draw(s sequence) []byte {
	width := 2*margin + cardWidth + (len(s.parts)-1)*columnGap
	var body bytes.Buffer
	y := margin + cardHeight + 16
	for _, st := range s.steps {
		y = drawStep(&body, s, st, y, width)
	}
	height := y + margin

	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`+"\n", width, height, width, height)
	out.WriteString(style)
	fmt.Fprintf(&out, `<rect class="page" width="%d" height="%d" rx="12"/>`+"\n", width, height)
	for i := range s.parts {
		fmt.Fprintf(&out, `<line class="life" x1="%d" y1="%d" x2="%d" y2="%d"/>`+"\n", center(i), margin+cardHeight, center(i), height-margin/2)
	}
	out.Write(body.Bytes())
	for i, p := range s.parts {
		drawCard(&out, p, i)
	}
	out.WriteString("</svg>\n")
	return out.Bytes()
}

func center(column int) int { return margin + cardWidth/2 + column*columnGap }

func drawCard(out *bytes.Buffer, p part, column int) {
	class, textClass := "card", ""
	if p.ours {
		class, textClass = "ours", " ours-text"
	}
	x := center(column)
	fmt.Fprintf(out, `<rect class="%s" x="%d" y="%d" width="%d" height="%d" rx="10"/>`+"\n", class, x-cardWidth/2, margin, cardWidth, cardHeight)
	write(out, "title"+textClass, x, margin+25, p.title)
	write(out, "fine"+textClass, x, margin+44, p.subtitle)
}

// drawStep draws one step from y on and returns where the next begins.
func drawStep(out *bytes.Buffer, s sequence, st step, y, width int) int {
	switch st.kind {
	case leg:
		return drawLeg(out, st, y, width)
	case box:
		return drawBox(out, s, st, y)
	case message, answer:
		return drawArrow(out, st, y)
	}
	return y
}

func drawLeg(out *bytes.Buffer, st step, y, width int) int {
	fmt.Fprintf(out, `<line class="rule" x1="%d" y1="%d" x2="%d" y2="%d"/>`+"\n", margin, y+12, width-margin, y+12)
	w := 16 + 8*len(st.text[0])
	fmt.Fprintf(out, `<rect class="page" x="%d" y="%d" width="%d" height="20"/>`+"\n", margin+8, y+2, w)
	fmt.Fprintf(out, `<text class="leg" x="%d" y="%d">%s</text>`+"\n", margin+16, y+16, html.EscapeString(st.text[0]))
	return y + legHeight
}

func drawBox(out *bytes.Buffer, s sequence, st step, y int) int {
	class := "work"
	if s.parts[st.from].ours {
		class = "work-ours"
	}
	x, h := center(st.from), 16+lineHeight*len(st.text)
	fmt.Fprintf(out, `<rect class="page" x="%d" y="%d" width="%d" height="%d" rx="8"/>`+"\n", x-boxWidth/2, y, boxWidth, h)
	fmt.Fprintf(out, `<rect class="%s" x="%d" y="%d" width="%d" height="%d" rx="8"/>`+"\n", class, x-boxWidth/2, y, boxWidth, h)
	for i, line := range st.text {
		class := "fine"
		if i == 0 {
			class = "title"
		}
		write(out, class, x, y+20+i*lineHeight, line)
	}
	return y + h + 18
}

func drawArrow(out *bytes.Buffer, st step, y int) int {
	from, to := center(st.from), center(st.to)
	tip := 9
	if to < from {
		tip = -tip
	}
	// The words stand beside the agent's end, where no other column crosses them.
	at := (from + to) / 2
	if span := max(from, to) - min(from, to); span > columnGap {
		at = min(from, to) + columnGap/2
	}
	class := "arrow"
	if st.kind == answer {
		class += " answer"
	}
	write(out, "title", at, y+12, st.text[0])
	line := y + 22
	fmt.Fprintf(out, `<line class="%s" x1="%d" y1="%d" x2="%d" y2="%d"/>`+"\n", class, from, line, to-tip, line)
	fmt.Fprintf(out, `<path class="tip" d="M%d %d l%d -5 v10 z"/>`+"\n", to, line, -tip)
	if len(st.text) > 1 && st.text[1] != "" {
		write(out, "fine", at, y+38, st.text[1])
		return y + 62
	}
	return y + 44
}

// write puts a line of text around x.
func write(out *bytes.Buffer, class string, x, y int, text string) {
	fmt.Fprintf(out, `<text class="%s" x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", class, x, y, html.EscapeString(text))
}

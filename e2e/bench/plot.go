package main

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// The picture: two panels side by side, each on a logarithmic scale, so that a ratio is the same distance everywhere.
const (
	panelWidth, panelHeight = 420, 300
	marginLeft, marginTop   = 70, 50
	gap                     = 90
	legendHeight            = 50
)

var colours = []string{"#8a8f98", "#c48a1a", "#2f7d5b", "#2456a6"}

type panel struct {
	title  string
	value  func(Level) float64
	low    float64 // powers of ten
	high   float64
	levels []int
	left   float64
}

// plot draws requests a second and p99 by connections for every subject, as SVG.
func plot(r Result) string {
	var levels []int
	for _, s := range r.Subjects {
		for _, l := range s.Levels {
			if !slices.Contains(levels, l.Connections) {
				levels = append(levels, l.Connections)
			}
		}
	}
	slices.Sort(levels)
	width, height := 2*(panelWidth+gap)+marginLeft/2, marginTop+panelHeight+40+legendHeight
	var svg strings.Builder
	fmt.Fprintf(&svg, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%[1]d" height="%[2]d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&svg, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", width, height)
	for i, p := range []panel{
		{title: "requests a second", value: func(l Level) float64 { return l.PerSecond }},
		{title: "p99, milliseconds", value: func(l Level) float64 { return l.P99MS }},
	} {
		p.levels, p.left = levels, float64(marginLeft+i*(panelWidth+gap))
		p.draw(&svg, r)
	}
	for i, s := range r.Subjects {
		x, y := marginLeft+i*150, height-legendHeight/2
		fmt.Fprintf(&svg, `<line x1="%d" y1="%d" x2="%d" y2="%[2]d" stroke="%[4]s" stroke-width="3"/><text x="%d" y="%d">%s</text>`+"\n",
			x, y, x+24, colours[i%len(colours)], x+30, y+4, html.EscapeString(s.Subject))
	}
	svg.WriteString("</svg>\n")
	return svg.String()
}

func (p panel) draw(svg *strings.Builder, r Result) {
	p.scale(r)
	fmt.Fprintf(svg, `<text x="%.0f" y="%d" font-size="14" font-weight="bold">%s</text>`+"\n", p.left, marginTop-20, p.title)
	for power := p.low; power <= p.high; power++ {
		y := p.y(math.Pow(10, power))
		fmt.Fprintf(svg, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1[2]f" stroke="#ddd"/><text x="%.1[4]f" y="%.1f" text-anchor="end">%g</text>`+"\n",
			p.left, y, p.left+panelWidth, p.left-8, y+4, math.Pow(10, power))
	}
	for i, connections := range p.levels {
		fmt.Fprintf(svg, `<text x="%.1f" y="%d" text-anchor="middle">%d</text>`+"\n", p.x(i), marginTop+panelHeight+18, connections)
	}
	fmt.Fprintf(svg, `<text x="%.1f" y="%d" text-anchor="middle" fill="#555">connections</text>`+"\n", p.left+panelWidth/2, marginTop+panelHeight+36)
	for i, s := range r.Subjects {
		p.line(svg, s, colours[i%len(colours)])
	}
}

func (p panel) line(svg *strings.Builder, s Measured, colour string) {
	var points, dots strings.Builder
	for _, l := range s.Levels {
		if v := p.value(l); v > 0 {
			x, y := p.x(slices.Index(p.levels, l.Connections)), p.y(v)
			fmt.Fprintf(&points, "%.1f,%.1f ", x, y)
			fmt.Fprintf(&dots, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"><title>%.4g</title></circle>`, x, y, colour, v)
		}
	}
	fmt.Fprintf(svg, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>%s`+"\n", strings.TrimSpace(points.String()), colour, dots.String())
}

// scale finds the powers of ten around what was measured.
func (p *panel) scale(r Result) {
	p.low, p.high = math.Inf(1), math.Inf(-1)
	for _, s := range r.Subjects {
		for _, l := range s.Levels {
			if v := p.value(l); v > 0 {
				p.low, p.high = min(p.low, math.Floor(math.Log10(v))), max(p.high, math.Ceil(math.Log10(v)))
			}
		}
	}
	if p.low >= p.high { // nothing, or all on one line
		p.low, p.high = min(p.low, p.high, 0), max(p.low, p.high, 0)+1
		if math.IsInf(p.low, 0) || math.IsInf(p.high, 0) {
			p.low, p.high = 0, 1
		}
	}
}

func (p panel) x(i int) float64 {
	if len(p.levels) < 2 {
		return p.left + panelWidth/2
	}
	return p.left + 15 + float64(i)*(panelWidth-30)/float64(len(p.levels)-1)
}

func (p panel) y(v float64) float64 {
	return marginTop + panelHeight*(p.high-math.Log10(v))/(p.high-p.low)
}

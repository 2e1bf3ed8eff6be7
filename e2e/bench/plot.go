package main

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// The picture: a line of two panels for each path, each on a logarithmic scale, so that a ratio is the same distance everywhere.
const (
	panelWidth, panelHeight = 420, 170
	marginLeft, marginTop   = 70, 70
	gap                     = 90
	lineHeight              = panelHeight + 90
)

var colours = []string{"#2f7d5b", "#2456a6", "#c48a1a", "#8a8f98", "#9a4a8f", "#b3452c"}

type panel struct {
	title  string
	value  func(Row) float64
	low    float64 // powers of ten
	high   float64
	levels []int
	left   float64
	top    float64
}

// plot draws requests a second and p99 by connections, for every path the subjects that have it, as SVG.
func plot(rows []Row) string {
	var levels []int
	var names, subjects []string
	for _, r := range rows {
		for list, name := range map[*[]string]string{&names: r.Path, &subjects: r.Subject} {
			if !slices.Contains(*list, name) {
				*list = append(*list, name)
			}
		}
		if !slices.Contains(levels, r.Connections) {
			levels = append(levels, r.Connections)
		}
	}
	slices.Sort(levels)
	width, height := 2*(panelWidth+gap)+marginLeft/2, marginTop+len(names)*lineHeight
	var svg strings.Builder
	fmt.Fprintf(&svg, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%[1]d" height="%[2]d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&svg, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", width, height)
	for i, s := range subjects {
		x, y := marginLeft+i*130, 24
		fmt.Fprintf(&svg, `<line x1="%d" y1="%d" x2="%d" y2="%[2]d" stroke="%[4]s" stroke-width="3"/><text x="%d" y="%d">%s</text>`+"\n",
			x, y, x+24, colours[i%len(colours)], x+30, y+4, html.EscapeString(s))
	}
	for n, name := range names {
		for i, p := range []panel{
			{title: name + ": requests a second", value: func(r Row) float64 { return r.PerSecond }},
			{title: name + ": p99, milliseconds", value: func(r Row) float64 { return r.P99MS }},
		} {
			p.levels, p.left, p.top = levels, float64(marginLeft+i*(panelWidth+gap)), float64(marginTop+n*lineHeight)
			p.draw(&svg, slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return r.Path != name }), subjects)
		}
	}
	svg.WriteString("</svg>\n")
	return svg.String()
}

func (p panel) draw(svg *strings.Builder, rows []Row, subjects []string) {
	p.scale(rows)
	fmt.Fprintf(svg, `<text x="%.0f" y="%.0f" font-size="14" font-weight="bold">%s</text>`+"\n", p.left, p.top-12, html.EscapeString(p.title))
	for power := p.low; power <= p.high; power++ {
		y := p.y(math.Pow(10, power))
		fmt.Fprintf(svg, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1[2]f" stroke="#ddd"/><text x="%.1[4]f" y="%.1f" text-anchor="end">%g</text>`+"\n",
			p.left, y, p.left+panelWidth, p.left-8, y+4, math.Pow(10, power))
	}
	for i, connections := range p.levels {
		fmt.Fprintf(svg, `<text x="%.1f" y="%.0f" text-anchor="middle">%d</text>`+"\n", p.x(i), p.top+panelHeight+18, connections)
	}
	fmt.Fprintf(svg, `<text x="%.1f" y="%.0f" text-anchor="middle" fill="#555">connections</text>`+"\n", p.left+panelWidth/2, p.top+panelHeight+34)
	for i, s := range subjects {
		p.line(svg, slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return r.Subject != s }), colours[i%len(colours)])
	}
}

func (p panel) line(svg *strings.Builder, rows []Row, colour string) {
	var points, dots strings.Builder
	for _, r := range rows {
		if v := p.value(r); v > 0 {
			x, y := p.x(slices.Index(p.levels, r.Connections)), p.y(v)
			fmt.Fprintf(&points, "%.1f,%.1f ", x, y)
			fmt.Fprintf(&dots, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"><title>%.4g</title></circle>`, x, y, colour, v)
		}
	}
	if dots.Len() > 0 {
		fmt.Fprintf(svg, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>%s`+"\n", strings.TrimSpace(points.String()), colour, dots.String())
	}
}

// scale finds the powers of ten around what was measured.
func (p *panel) scale(rows []Row) {
	p.low, p.high = math.Inf(1), math.Inf(-1)
	for _, r := range rows {
		if v := p.value(r); v > 0 {
			p.low, p.high = min(p.low, math.Floor(math.Log10(v))), max(p.high, math.Ceil(math.Log10(v)))
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
	return p.top + panelHeight*(p.high-math.Log10(v))/(p.high-p.low)
}

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// contextLines are shown around what differs.
const contextLines = 3

// lineEdit is a line that stays (" "), goes ("-") or comes ("+").
type lineEdit struct {
	mark string
	text string
}

// writeDiff writes what differs between two texts in the unified form that patch reads.
func writeDiff(w io.Writer, name, before, after string) error {
	edits := lineEdits(splitLines(before), splitLines(after))
	if _, err := fmt.Fprintf(w, "--- %s\n+++ %s\n", visible(name), visible(name)); err != nil {
		return err
	}
	for from := 0; from < len(edits); {
		if edits[from].mark == " " {
			from++
			continue
		}
		first, to := max(0, from-contextLines), from
		for quiet := 0; to < len(edits) && quiet <= 2*contextLines; to++ {
			if quiet++; edits[to].mark != " " {
				quiet = 0
			}
		}
		last := to
		for last > from && edits[last-1].mark == " " {
			last--
		}
		last = min(len(edits), last+contextLines)
		if err := writeHunk(w, edits, first, last); err != nil {
			return err
		}
		from = last
	}
	return nil
}

func writeHunk(w io.Writer, edits []lineEdit, first, last int) error {
	was, is := 1, 1
	for _, e := range edits[:first] {
		if e.mark != "+" {
			was++
		}
		if e.mark != "-" {
			is++
		}
	}
	wasLines, isLines := 0, 0
	var lines strings.Builder
	for _, e := range edits[first:last] {
		if e.mark != "+" {
			wasLines++
		}
		if e.mark != "-" {
			isLines++
		}
		lines.WriteString(e.mark + visibleColumns(e.text) + "\n")
	}
	// A hunk of no lines is said to begin at the line before it.
	if wasLines == 0 {
		was--
	}
	if isLines == 0 {
		is--
	}
	_, err := fmt.Fprintf(w, "@@ -%d,%d +%d,%d @@\n%s", was, wasLines, is, isLines, lines.String())
	return err
}

func splitLines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// lineEdits is a shortest way from one text to the other. Both are modules, and what they share at both ends is most of them.
func lineEdits(before, after []string) []lineEdit {
	head := 0
	for head < len(before) && head < len(after) && before[head] == after[head] {
		head++
	}
	tail := 0
	for tail < len(before)-head && tail < len(after)-head && before[len(before)-1-tail] == after[len(after)-1-tail] {
		tail++
	}
	var edits []lineEdit
	for _, text := range before[:head] {
		edits = append(edits, lineEdit{" ", text})
	}
	edits = append(edits, middleEdits(before[head:len(before)-tail], after[head:len(after)-tail])...)
	for _, text := range before[len(before)-tail:] {
		edits = append(edits, lineEdit{" ", text})
	}
	return edits
}

// maxTable bounds the table of middleEdits; what is larger is shown as replaced whole.
const maxTable = 4 << 20

// middleEdits keeps a longest common subsequence.
func middleEdits(before, after []string) []lineEdit {
	var edits []lineEdit
	if len(before)*len(after) > maxTable {
		for _, text := range before {
			edits = append(edits, lineEdit{"-", text})
		}
		for _, text := range after {
			edits = append(edits, lineEdit{"+", text})
		}
		return edits
	}
	// common[i][j] is how many lines before[i:] and after[j:] share in order.
	common := make([][]int, len(before)+1)
	for i := range common {
		common[i] = make([]int, len(after)+1)
	}
	for i := range slices.Backward(before) {
		for j := range slices.Backward(after) {
			if before[i] == after[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(before) || j < len(after) {
		switch {
		case i < len(before) && j < len(after) && before[i] == after[j]:
			edits = append(edits, lineEdit{" ", before[i]})
			i, j = i+1, j+1
		case i < len(before) && (j == len(after) || common[i+1][j] >= common[i][j+1]):
			edits = append(edits, lineEdit{"-", before[i]})
			i++
		default:
			edits = append(edits, lineEdit{"+", after[j]})
			j++
		}
	}
	return edits
}

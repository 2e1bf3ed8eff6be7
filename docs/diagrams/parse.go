package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

type sequence struct {
	parts []part
	steps []step
}

type part struct {
	name, title, subtitle string
	ours                  bool
}

type kind int

const (
	message kind = iota
	answer
	box
	leg
)

// step is one thing that happens: from and to are columns.
type step struct {
	kind     kind
	from, to int
	text     []string
}

func parse(in io.Reader) (sequence, error) {
	var s sequence
	lines := bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := s.add(line); err != nil {
			return s, fmt.Errorf("line %d: %w", n, err)
		}
	}
	if len(s.parts) < 2 {
		return s, errors.New("fewer than two parts")
	}
	return s, lines.Err()
}

func (s *sequence) add(line string) error {
	fields := strings.Split(line, "|")
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	head, text := strings.Fields(fields[0]), fields[1:]
	switch {
	case head[0] == "part" && len(head) == 2 && len(text) == 2:
		title, ours := strings.CutPrefix(text[0], "*")
		s.parts = append(s.parts, part{name: head[1], title: title, subtitle: text[1], ours: ours})
		return nil
	case head[0] == "leg" && len(head) > 1:
		s.steps = append(s.steps, step{kind: leg, text: []string{strings.Join(head[1:], " ")}})
		return nil
	case head[0] == "box" && len(head) == 2 && len(text) > 0:
		at, err := s.column(head[1])
		s.steps = append(s.steps, step{kind: box, from: at, to: at, text: text})
		return err
	case len(head) == 3 && (head[1] == "->" || head[1] == "=>") && len(text) > 0:
		from, err := s.column(head[0])
		if err != nil {
			return err
		}
		to, err := s.column(head[2])
		k := message
		if head[1] == "=>" {
			k = answer
		}
		s.steps = append(s.steps, step{kind: k, from: from, to: to, text: text})
		return err
	}
	return fmt.Errorf("not understood: %q", line)
}

func (s *sequence) column(name string) (int, error) {
	for i, p := range s.parts {
		if p.name == name {
			return i, nil
		}
	}
	return 0, fmt.Errorf("no part is named %q", name)
}

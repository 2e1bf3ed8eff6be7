package page

import "github.com/chancery-dev/chancery/broker/oauth"

// Failure says what happened, whose turn it is and what to do, in the words of the error catalogue, which are English.
type Failure struct {
	Code  oauth.Code // a public one, or its face is shown
	Again string     // a path of ours to try again; empty: none
}

// Render shows the page; the frame's trace is on it, for those who explain.
func (m Failure) Render(f Frame) (Page, error) {
	if m.Again != "" {
		if err := here(m.Again); err != nil {
			return Page{}, err
		}
	}
	return f.render("failure", struct {
		oauth.Row
		Again string
	}{oauth.Public(m.Code), m.Again}, allowance{})
}

package page

import "time"

// Approval is a request that waits for other people than the one for whom it is.
type Approval struct {
	Action   string // where the answer goes: a path of ours; empty: whoever looks at it has nothing to answer
	List     string // a path of ours, where all that waits is
	Token    string
	Client   Client
	For      Person // empty: the client asks for itself
	Access   []Access
	Group    string // for which the person answers; where there is no Action, what is waited for
	Lifetime time.Duration
	Until    time.Time
	Person   Person // who is signed in
	Mine     bool   // it is for himself
}

// End is when the request is over.
func (m Approval) End() Moment { return moment(m.Until) }

// Minutes is how long what is given lives, in whole minutes, at least one.
func (m Approval) Minutes() int { return max(1, int(m.Lifetime.Minutes())) }

// Render shows the page. The answer comes back as `decision=allow` or `decision=deny`.
func (m Approval) Render(f Frame) (Page, error) {
	if err := here(m.List); err != nil {
		return Page{}, err
	}
	if err := m.Client.fit(); err != nil {
		return Page{}, err
	}
	if m.Person.Label() == "" || m.Lifetime <= 0 || m.Group == "" {
		return Page{}, unfit("an approval of nobody, by nobody, or without an end")
	}
	allowed := allowance{}
	if m.Action != "" {
		if err := here(m.Action); err != nil {
			return Page{}, err
		}
		if m.Token == "" || m.Mine {
			return Page{}, unfit("an answer without a token, or to oneself")
		}
		allowed = stay
	}
	groups, err := grouped(m.Access)
	if err != nil {
		return Page{}, err
	}
	return f.render("approval", struct {
		Approval
		Groups []accessGroups
	}{m, groups}, allowed)
}

// Answered says that the person's word was taken, or that there is nothing left to say.
type Answered struct {
	List    string // a path of ours, where all that waits is
	Denied  bool
	Settled bool // somebody else answered before
	More    bool // others are asked still
}

// Render shows the page.
func (m Answered) Render(f Frame) (Page, error) {
	if err := here(m.List); err != nil {
		return Page{}, err
	}
	return f.render("answered", m, allowance{})
}

// Approvals lists what waits for a person.
type Approvals struct {
	Account   string // a path of ours
	Person    Person
	Waiting   []Waiting
	Proposals []Proposal
}

// Waiting is a request that waits for him.
type Waiting struct {
	Path     string // of ours, where it is answered
	Client   Client
	For      Person // empty: the client asks for itself
	Resource string
	Until    time.Time
}

// End is when it is over.
func (w Waiting) End() Moment { return moment(w.Until) }

// Label is the client's name in the label of a link.
func (w Waiting) Label() string {
	if title := w.Client.Title(); title != "" {
		return title
	}
	return w.Client.Name
}

// Proposal is a change of the company's rules that waits for a second person.
type Proposal struct {
	Path   string // of ours, where it is answered
	ID     string
	Kind   string
	Name   string
	Author string
	Until  time.Time
}

// End is when it is over.
func (p Proposal) End() Moment { return moment(p.Until) }

// Render shows the page.
func (m Approvals) Render(f Frame) (Page, error) {
	if err := here(m.Account); err != nil {
		return Page{}, err
	}
	if m.Person.Label() == "" {
		return Page{}, unfit("a list of nobody")
	}
	for _, w := range m.Waiting {
		if err := here(w.Path); err != nil {
			return Page{}, err
		}
		if err := w.Client.fit(); err != nil {
			return Page{}, err
		}
	}
	for _, p := range m.Proposals {
		if err := here(p.Path); err != nil {
			return Page{}, err
		}
	}
	return f.render("approvals", m, allowance{})
}

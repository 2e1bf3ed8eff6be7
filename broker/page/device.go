package page

// Device asks for the code that a device shows (RFC 8628 §3.3).
type Device struct {
	Action string
	Token  string
	Code   string // what was typed, or came with the link (§3.3.1); never taken without being confirmed
	Wrong  bool   // no device waits with this code
}

// Render shows the page. The code comes back as `user_code`.
func (m Device) Render(f Frame) (Page, error) {
	if err := here(m.Action); err != nil {
		return Page{}, err
	}
	return f.render("device", m, stay)
}

// DeviceConfirm asks whether the device with this code is the person's own (RFC 8628 §5.4), and whether it may act.
type DeviceConfirm struct {
	Action string
	Token  string
	Code   string
	Client Client
	Access []Access
	Person Person
	Switch string
}

// Render shows the page. The decision comes back as `decision=allow` or `decision=deny`.
func (m DeviceConfirm) Render(f Frame) (Page, error) {
	if err := here(m.Action); err != nil {
		return Page{}, err
	}
	if m.Switch != "" {
		if err := here(m.Switch); err != nil {
			return Page{}, err
		}
	}
	if err := m.Client.fit(); err != nil {
		return Page{}, err
	}
	if m.Token == "" || m.Code == "" || m.Person.Label() == "" {
		return Page{}, unfit("a device without a code or a person")
	}
	groups, err := grouped(m.Access)
	if err != nil {
		return Page{}, err
	}
	return f.render("deviceconfirm", struct {
		DeviceConfirm
		Groups []accessGroups
	}{m, groups}, stay)
}

// Finished says that the person can go back to the device or the agent.
type Finished struct {
	Denied bool
	Agent  bool // it was done for an agent without a browser, not for a device
}

// Render shows the page.
func (m Finished) Render(f Frame) (Page, error) { return f.render("finished", m, allowance{}) }

package fetch

import "net/url"

// Judge tells whether the rules let a URL pass before anything is resolved, with
// the error that a fetch would have. What a name resolves to is judged when it is
// dialled: under egress.mode deny with CIDR blocks, a name that is not listed itself
// passes here and may be refused there.
func (c *Client) Judge(rawURL string, n Network) error {
	u, err := url.Parse(rawURL)
	if err != nil {
		return refused("", "not a URL", "")
	}
	if _, err = c.checkTarget(u, n); err != nil {
		return err
	}
	proxy, err := n.proxy()
	if err != nil {
		return err
	}
	if proxy != nil { // it is what is dialled
		if _, refusal := c.egress.checkHost(proxy.Hostname()); refusal != nil {
			return refusal
		}
	}
	return nil
}

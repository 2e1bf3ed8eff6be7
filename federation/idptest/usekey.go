package idptest

// UseKey makes a key the only one of the IdP: for one that must be the same in two
// runs, because somebody entered it by hand.
func (p *IdP) UseKey(key *Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.made++
	p.keys = []*Key{key}
}

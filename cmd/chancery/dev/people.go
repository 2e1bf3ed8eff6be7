package dev

import "github.com/chancery-dev/chancery/federation/idptest"

// People are those of the demo, but for their groups: alice may only read, so that the first token already shows how policy
// narrows; bob may write, after a stronger sign-in; eve may do nothing.
func People() []idptest.User {
	people := idptest.People()
	for i := range people {
		switch people[i].Name {
		case idptest.Alice:
			people[i].Groups = []string{idptest.GroupReaders}
		case idptest.Bob:
			people[i].Groups, people[i].StepUp = []string{idptest.GroupEditors}, []string{StrongSignIn}
		}
	}
	return people
}

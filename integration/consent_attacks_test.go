//go:build integration

package integration

import "testing"

var hostileWorker = "// nothing"

type consentAttack struct {
	name string
	run  func(t *testing.T, s *consentScene, b *browser)
}

var consentAttacks []consentAttack

func (s *consentScene) startOver(t *testing.T, b *browser) {}

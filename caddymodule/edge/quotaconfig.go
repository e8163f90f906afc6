package edge

import (
	"fmt"

	"github.com/wikiveil/wikiveil/lookup/access"
)

// QuotaConfig bounds what each user may do a day (UTC), since comparing masks is an oracle.
type QuotaConfig struct {
	// Info is the number of masks looked up or compared. Default: 100.
	Info int `json:"info,omitempty"`
	// Reveal is the number of reveals. Default: 20.
	Reveal int `json:"reveal,omitempty"`
}

func (c *QuotaConfig) Limits() access.Limits {
	if c == nil {
		return access.Limits{}
	}
	return access.Limits{Info: c.Info, Reveal: c.Reveal}
}

func (c *QuotaConfig) validate() error {
	for _, n := range []int{c.Limits().Info, c.Limits().Reveal} {
		if n < 0 || n > access.MaxLimit {
			return fmt.Errorf("quota %d is not from 1 to %d", n, access.MaxLimit)
		}
	}
	return nil
}

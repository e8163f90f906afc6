package geo

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"strings"

	"github.com/oschwald/geoip2-golang/v2"
)

// places returns numbers of a record's country, largest subdivision and city.
func places(record *geoip2.City) (country, region, city uint32) {
	country, inCountry := place("", record.Country.GeoNameID, cmp.Or(record.Country.ISOCode, name(record.Country.Names)))
	inRegion := inCountry
	if len(record.Subdivisions) > 0 {
		s := record.Subdivisions[0]
		region, inRegion = place(inCountry, s.GeoNameID, cmp.Or(name(s.Names), s.ISOCode))
	}
	city, _ = place(inRegion, record.City.GeoNameID, name(record.City.Names))
	return country, region, city
}

// nameless is the bit that no GeoNames id has, of which there are some ten million.
const nameless = 1 << 31

// place returns a place's number, 0 for an unknown one, and what its parts' names stand below: there
// is a Springfield in many states.
func place(above string, geoNameID uint, name string) (number uint32, below string) {
	if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
		below = above + "\x00" + name
	}
	switch {
	case id(geoNameID) != 0:
		return id(geoNameID), below
	case name == "":
		return 0, above
	}
	sum := sha256.Sum256([]byte(below))
	return nameless | binary.BigEndian.Uint32(sum[:]), below
}

// name is the English name, or the first in another language.
func name(n geoip2.Names) string {
	return cmp.Or(n.English, n.German, n.Spanish, n.French, n.Japanese, n.BrazilianPortuguese, n.Russian, n.SimplifiedChinese)
}

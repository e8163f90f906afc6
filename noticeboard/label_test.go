package noticeboard

import (
	"slices"
	"testing"
	"time"
)

var labelTime = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// exemplary meets all criteria at labelTime.
func exemplary() *Tool {
	return &Tool{
		Name: "maps", Origin: "https://maps.example.org", Purpose: "Shows maps", Sends: "Coordinates", Personal: NothingPersonal,
		Retention: "A day", Source: "https://git.example.org/maps", Privacy: "https://maps.example.org/privacy", Contact: "maps@example.org",
		Reviewer: "R. Viewer", Reviewed: Date{labelTime.AddDate(0, -3, 0)},
	}
}

func TestLabel(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*Tool)
		want   Label
		unmet  []string
	}{
		{"all met", func(*Tool) {}, LabelA, nil},
		{"nothing said", func(t *Tool) { *t = *mapsTool() }, LabelD, []string{"impersonal", "explained", "retention", "privacy_policy", "source_code", "reviewed"}},
		{"no source", func(t *Tool) { t.Source = "" }, LabelB, []string{"source_code"}},
		{"no policy", func(t *Tool) { t.Privacy = "" }, LabelB, []string{"privacy_policy"}},
		{"never reviewed", func(t *Tool) { t.Reviewed = Date{} }, LabelB, []string{"reviewed"}},
		{"reviewed by nobody", func(t *Tool) { t.Reviewer = "" }, LabelB, []string{"reviewed"}},
		{"review a year old", func(t *Tool) { t.Reviewed = Date{labelTime.Add(-reviewLife)} }, LabelB, []string{"reviewed"}},
		{"review almost a year old", func(t *Tool) { t.Reviewed = Date{labelTime.Add(time.Second - reviewLife)} }, LabelA, nil},
		{"review of today, in the east", func(t *Tool) { t.Reviewed = Date{labelTime.Add(12 * time.Hour)} }, LabelA, nil},
		{"review in the future", func(t *Tool) { t.Reviewed = Date{labelTime.AddDate(0, 0, 2)} }, LabelB, []string{"reviewed"}},
		{"direct", func(t *Tool) { t.Access = ByConsent }, LabelC, []string{"proxy_only"}},
		{"both", func(t *Tool) { t.Access = ByBoth }, LabelC, []string{"proxy_only"}},
		{"direct without policy", func(t *Tool) { t.Access, t.Privacy = ByConsent, "" }, LabelD, []string{"proxy_only", "privacy_policy"}},
		{"personal", func(t *Tool) { t.Personal = SomethingPersonal }, LabelC, []string{"impersonal"}},
		{"pseudonym", func(t *Tool) { t.Personal, t.Pseudonym = SomethingPersonal, true }, LabelC, []string{"impersonal"}},
		{"personal unstated", func(t *Tool) { t.Personal = "" }, LabelC, []string{"impersonal"}},
		{"no retention", func(t *Tool) { t.Retention = "" }, LabelD, []string{"retention"}},
		{"no purpose", func(t *Tool) { t.Purpose = "" }, LabelD, []string{"explained"}},
		{"no word on what it gets", func(t *Tool) { t.Sends = "" }, LabelD, []string{"explained"}},
		{"no contact", func(t *Tool) { t.Contact = "" }, LabelD, []string{"explained"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tool := exemplary()
			tc.change(tool)
			own, err := tool.normalised()
			if err != nil {
				t.Fatal(err)
			}
			label, unmet := own.Label(labelTime)
			var ids []string
			for _, c := range unmet {
				ids = append(ids, string(c))
			}
			if label != tc.want || !slices.Equal(ids, tc.unmet) {
				t.Errorf("got %s, unmet %q; want %s, %q", label, ids, tc.want, tc.unmet)
			}
		})
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/bench/linkage"
)

var small = []string{"-days", "2", "-views", "200", "-pages", "50", "-scenarios=false"}

func TestRun(t *testing.T) {
	var table, coded, shown bytes.Buffer
	if err := run(small, &table, &shown); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(table.String(), "all but refresh") {
		t.Errorf("no table was printed: %s", &table)
	}
	if shown.Len() != 0 {
		t.Errorf("progress was shown to nobody: %q", &shown)
	}
	if err := run(append(small, "--json", "--lookups", "0.3"), &coded, &shown); err != nil {
		t.Fatal(err)
	}
	var report linkage.Report
	if err := json.Unmarshal(coded.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	if report.World.Lookups != 0.3 || report.World.Pages != 50 || report.Days != 2 || len(report.Rows) == 0 {
		t.Errorf("the options were not taken: %+v", report.World)
	}
}

func TestRunRefuses(t *testing.T) {
	for _, tt := range []struct{ arg, want string }{
		{"more", `unknown argument "more"`},
		{"-refresh=2", "the refreshed share must be from 0 to 1"},
		{"-days=0", "days must be from 2"},
		{"-views=-1", "views must be above 0"},
		{"-nonsense", "not defined: -nonsense"},
	} {
		var stdout, stderr bytes.Buffer
		err := run(append(small, tt.arg), &stdout, &stderr)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", tt.arg, err, tt.want)
		}
		if stdout.Len() != 0 {
			t.Errorf("%s: something was printed: %s", tt.arg, &stdout)
		}
	}
}

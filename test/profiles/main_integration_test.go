//go:build integration

package profiles

import (
	"testing"

	"nodeagent/internal/lab/boxtest"
)

func TestMain(m *testing.M) { boxtest.Main(m) }

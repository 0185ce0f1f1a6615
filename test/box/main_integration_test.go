//go:build integration

package box

import (
	"testing"

	"nodeagent/internal/lab/boxtest"
)

func TestMain(m *testing.M) { boxtest.Main(m) }

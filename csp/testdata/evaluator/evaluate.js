// Reads policies by name in JSON and writes what csp_evaluator finds in each, as lines
// "SEVERITY directive value". The strict checks are of the policy as it is written, since
// what they ask for is dropped from the form that the newest browsers make of it.
const { CspEvaluator, STRICTCSP_CHECKS, DEFAULT_CHECKS } = require('csp_evaluator/dist/evaluator.js');
const { CspParser } = require('csp_evaluator/dist/parser.js');
const { Severity } = require('csp_evaluator/dist/finding.js');

const policies = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const findings = {};
for (const [name, policy] of Object.entries(policies)) {
	findings[name] = new CspEvaluator(new CspParser(policy).csp).evaluate(STRICTCSP_CHECKS, DEFAULT_CHECKS)
		.map(f => [Severity[f.severity], f.directive, f.value].filter(Boolean).join(' '));
}
process.stdout.write(JSON.stringify(findings));

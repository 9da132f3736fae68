import svelte from "eslint-plugin-svelte";
import globals from "globals";
import ts from "typescript-eslint";
import svelteConfig from "./svelte.config.js";

export default ts.config(
  ...ts.configs.strict,
  ...svelte.configs.recommended,
  {
    languageOptions: { globals: { ...globals.browser } },
    rules: {
      // one idea per module, as in the Python packages
      "max-lines": ["error", { max: 350 }],
      "max-lines-per-function": ["error", { max: 60, skipBlankLines: true, skipComments: true }],
      eqeqeq: "error",
      "no-console": ["error", { allow: ["error"] }],
      "@typescript-eslint/consistent-type-imports": "error",
      // sets and maps here are replaced as a whole
      "svelte/prefer-svelte-reactivity": "off",
      // the addresses of the page are fragments, which the plugin's router does not know
      "svelte/no-navigation-without-resolve": "off",
    },
  },
  {
    files: ["**/*.svelte", "**/*.svelte.ts"],
    languageOptions: { parserOptions: { parser: ts.parser, extraFileExtensions: [".svelte"], svelteConfig } },
  },
  // a component is one function for the linter; the tests describe one thing at a time
  { files: ["**/*.svelte", "tests/**"], rules: { "max-lines-per-function": "off" } },
  { ignores: ["test-results/", "playwright-report/"] },
);

/** `sluice completion SHELL`: the script that lets a shell complete commands and names. */

import { SluiceError } from '../../model/index.ts'
import type { VerbContext } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { COMPLETE_COMMAND } from '../verb-spec.ts'

/** Prints the script, whatever the options say. Throws SLU-CLI-8001. */
export async function completionVerb({ output }: VerbContext, shell: string): Promise<number> {
  const script = SCRIPTS.get(shell)
  if (script === undefined) {
    throw new SluiceError('SLU-CLI-8001', {
      message: `there is no completion for "${shell}"`,
      remedy: `Name one of: ${[...SCRIPTS.keys()].join(', ')}.`,
    })
  }
  output.data(script)
  return EXIT.ok
}

/** The command is called as it was typed, so that an alias or a path completes itself. */
const SCRIPTS: ReadonlyMap<string, string> = new Map([
  [
    'bash',
    `# In ~/.bashrc: eval "$(sluice completion bash)"
_sluice() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    COMPREPLY+=("\${line%%$'\\t'*}")
  done < <("$1" ${COMPLETE_COMMAND} "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _sluice sluice
`,
  ],
  [
    'zsh',
    `#compdef sluice
# In ~/.zshrc, after compinit: eval "$(sluice completion zsh)"
_sluice() {
  local -a found
  local line
  while IFS= read -r line; do
    found+=("\${line/$'\\t'/:}")
  done < <("\${words[1]}" ${COMPLETE_COMMAND} "\${(@)words[2,CURRENT]}" 2>/dev/null)
  if (( \${#found} )); then _describe sluice found; else _files; fi
}
compdef _sluice sluice
`,
  ],
  [
    'fish',
    `# sluice completion fish > ~/.config/fish/completions/sluice.fish
function __sluice_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l found ($words[1] ${COMPLETE_COMMAND} $words[2..-1] 2>/dev/null)
  if test (count $found) -gt 0
    printf '%s\\n' $found
  else
    __fish_complete_path (commandline -ct)
  end
end
complete -c sluice -f -a '(__sluice_complete)'
`,
  ],
])

# fish completion for matrix-telemetry-bot; all it knows is read from --help.
function __matrix_telemetry_bot_verb
	set -l skip no
	for word in (commandline -opc)[2..]
		switch "$skip$word"
			case 'no-c' 'no--config'
				set skip yes
			case 'no-*' 'yes*'
				set skip no
			case '*'
				echo $word
				return
		end
	end
end

function __matrix_telemetry_bot
	set -l verb (__matrix_telemetry_bot_verb)
	set -l help (matrix-telemetry-bot --help 2>/dev/null)
	if test -z "$verb"
		string replace -rf '^  ([a-z]+) +(.*?):?$' (printf '$1\t$2') -- $help
	else
		# what a command takes, [now | stop <app>] or <node|dag>: the first word of each choice
		string replace -rf "^ {13}$verb " '' -- $help |
			sed -E 's/<[^|>]*>…?//g; s/\[[^]|[]*\]//g; s/[][<>]//g; s/\|/\n/g' |
			sed -nE 's/^ *(-{0,2}[a-z][a-z-]*)( .*)?$/\1/p' | grep -vxE 'app|number'
	end
	if test "$verb" = setup
		set help (matrix-telemetry-bot setup --help 2>/dev/null)
	end
	string replace -rf '^ +(?:-[a-zA-Z], )?(--[a-z-]+)(?: [A-Z=]+)?(?: +(.*))?$' (printf '$1\t$2') -- $help
end

function __matrix_telemetry_bot_wants_file
	string match -qr -- '^(-c|--config|--alertmanager|--[a-z-]+-file)$' (commandline -opc)[-1]
end

complete -c matrix-telemetry-bot -f -n 'not __matrix_telemetry_bot_wants_file' -a '(__matrix_telemetry_bot)'
complete -c matrix-telemetry-bot -F -n __matrix_telemetry_bot_wants_file

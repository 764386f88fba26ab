-- Made by make_part_one.py with the code of Part 1 (commit a3bcc98). Not to be changed by hand.
-- {"key": "a key of Part 1 that is forty letters long", "now": "2026-01-05T09:00:00+00:00", "runs": {"release": 3780001, "keyed": 3780002, "unanimous": 3780003, "hold": 3780004, "delay": 3780005, "late": 3780006, "flaky": 3780007, "unsure": 3780008, "approved": 3780009, "rejected": 3780010}, "link": "https://signoff.example.com/a/AQG1tq7hAAAAAAA5raEAAAABAAAAAAAAAAMAAAABAAABnDIt-oCxhvzHY_6LR4sfkmm5u_vwkdUnF8BTFiyI", "digest": "c6f490c73a1752c4df4ce93d9063d35bec262bc83dc7f36cd58e7b0819d77fe8"}
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE cards (
  id INTEGER PRIMARY KEY,
  run INTEGER NOT NULL,
  n INTEGER NOT NULL,
  channel TEXT,
  person INTEGER,
  posted TEXT,
  ts TEXT,
  wanted INTEGER NOT NULL,
  shown INTEGER NOT NULL
) STRICT;
CREATE TABLE decisions (
  run INTEGER NOT NULL,
  n INTEGER NOT NULL,
  person INTEGER NOT NULL,
  verdict INTEGER NOT NULL,
  place INTEGER NOT NULL,
  at INTEGER NOT NULL,
  door INTEGER NOT NULL,
  comment TEXT,
  form TEXT,
  digest BLOB,
  groups TEXT,
  groups_read_at INTEGER,
  PRIMARY KEY (run, n, person)
) WITHOUT ROWID, STRICT;
INSERT INTO "decisions" VALUES(3780001,1,2,0,3,1767603600000,1,'Tests are green.','{"window":"tonight","note":"mine"}',X'C6F490C73A1752C4DF4CE93D9063D35BEC262BC83DC7F36CD58E7B0819D77FE8',NULL,NULL);
INSERT INTO "decisions" VALUES(3780009,1,2,0,2,1767603600000,1,NULL,NULL,X'C3B70D98BC1DFDF5E46A4A357A60506C3178173D9A376810869B81A8CC6A4D9E',NULL,NULL);
INSERT INTO "decisions" VALUES(3780010,1,2,1,2,1767603600000,1,'Not on a Friday.',NULL,X'3540A03E3F948E481DB363CA638678059108E844138B044828B474B91CCB72C3',NULL,NULL);
CREATE TABLE definitions (
  id INTEGER PRIMARY KEY,
  hash BLOB NOT NULL UNIQUE,
  flow TEXT NOT NULL,
  body TEXT NOT NULL
) STRICT;
INSERT INTO "definitions" VALUES(1,X'6F68DB04B210163A1A6DCB782374F6B228D0AE092AD86AF5F10162383A6EC9D4','delay','{"flow":{"description":null,"flow":"delay","inputs":[],"steps":[{"approval":null,"delay":"12h","hold":null,"id":"night","if":null,"retry":{"backoff":2.0,"delay":"10s","max":0,"max_delay":"1h"},"run":null,"timeout":null,"title":null,"uses":null,"with":{}},{"approval":null,"delay":null,"hold":null,"id":"after","if":null,"retry":{"backoff":2.0,"delay":"10s","max":0,"max_delay":"1h"},"run":null,"timeout":null,"title":null,"uses":"log","with":{"message":"over"}}],"title":null},"schema":1}');
INSERT INTO "definitions" VALUES(2,X'47230D0CD57CEA0A19D04F94A1922E4E5AA0C3F965148B7E264DD98EF78AF85E','done','{"flow":{"description":null,"flow":"done","inputs":[],"steps":[{"approval":{"approvers":["bob@example.com"],"ask":"Please decide","form":[],"on_reject":"end","on_timeout":"end","quorum":1,"self_approval":false,"show":{},"timeout":"7d","via":null},"delay":null,"hold":null,"id":"gate","if":null,"retry":{"backoff":2.0,"delay":"10s","max":0,"max_delay":"1h"},"run":null,"timeout":null,"title":null,"uses":null,"with":{}},{"approval":null,"delay":null,"hold":null,"id":"after","if":null,"retry":{"backoff":2.0,"delay":"10s","max":0,"max_delay":"1h"},"run":null,"timeout":null,"title":null,"uses":"log","with":{"message":"{{ approvers | join }}"}}],"title":null},"schema":1}');
INSERT INTO "definitions" VALUES(3,X'2FB9AF3AA5024D4681E0914325BBC5AC1FADA894EB5E9CD84188D77BA916ACB7','flaky','{"flow":{"description":null,"flow":"flaky","inputs":[],"steps":[{"approval":null,"delay":null,"hold":null,"id":"call","if":null,"retry":{"backoff":1.0,"delay":"1h","max":3,"max_delay":"1h"},"run":null,"timeout":null,"title":null,"uses":"http.request","with":{"url":"https://example.com/"}},{"approval":null,"delay":null,"hold":null,"id":"after","if":null,"retry":{"backoff":2.0,"delay":"10s","max":0,"max_delay":"1h"},"run":null,"timeout":null,"title":null,"uses":"log","with":{"message":"{{ steps.call.output }}"}}],"title":null},"schema":1}');
INSERT INTO "definitions" VALUES(4,X'08E828AAAC2CFBF0F4E530CB9BBE3FF07B18F1C813FF45244AE1423E88FEF9BE','hold','{"flow":{"description":null,"flow":"hold","inputs":[],"steps":[{"approval":null,"delay":null,"hold":{"ask":"Waiting to be resumed","by":[],"form":[{"default":null,"description":null,"label":null,"max":null,"min":1,"name":"count","required":true,"type":"integer"},{"default":null,"description":null,"label":null,"max_length":3000,"min_length":0,"name":"pin","required":true,"type":"secret"}],"on_timeout":"fail","show":{},"timeout":"1d","via":null},"id":"fill","if":null,"retry":{"backoff":2.0,"delay":"10s","max":0,"max_delay":"1h"},"run":null,"timeout":null,"title":null,"uses":null,"with":{}},{"approval":null,"delay":null,"hold":null,"id":"after","if":null,"retry":{"backoff":2.0,"delay":"10s","max":0,"max_delay":"1h"},"run":null,"timeout":null,"title":null,"uses":"log","with":{"message":"{{ resume.count }} {{ steps.fill.resumed.by }} {{ resume.pin }}"}}],"title":null},"schema":1}');
INSERT INTO "definitions" VALUES(5,X'A0DB384D9859FC075F37416E806561974889F33337854195F67C4E387904AFAC','late','{"flow":{"description":null,"flow":"late","inputs":[],"steps":[{"approval":{"approvers":["bob@example.com"],"ask":"Please decide","form":[],"on_reject":"end","on_timeout":"continue","quorum":1,"self_approval":false,"show":{},"timeout":"1d","via":null},"delay":null,"hold":null,"id":"gate","if":null,"retry":{"backoff":2.0,"delay":"10s","max":0,"max_delay":"1h"},"run":null,"timeout":null,"title":null,"uses":null,"with":{}},{"approval":null,"delay":null,"hold":null,"id":"after","if":null,"retry":{"backoff":2.0,"delay":"10s","max":0,"max_delay":"1h"},"run":null,"timeout":null,"title":null,"uses":"log","with":{"message":"{{ steps.gate.timed_out }}"}}],"title":null},"schema":1}');
INSERT INTO "definitions" VALUES(6,X'9B5331E7BA2AD18A123CFD09145B04118F685095B805D0E44497B43A82AF0C5E','release','{"flow":{"description":null,"flow":"release","inputs":[{"default":null,"description":null,"label":null,"max_length":3000,"min_length":0,"multiline":false,"name":"version","pattern":"[0-9.]+","required":true,"type":"string"},{"default":null,"description":null,"label":null,"max_length":3000,"min_length":0,"name":"token","required":true,"type":"secret"},{"default":null,"description":null,"label":null,"name":"first","required":true,"type":"email"}],"steps":[{"approval":null,"delay":null,"hold":null,"id":"build","if":null,"retry":{"backoff":2.0,"delay":"10s","max":2,"max_delay":"1h"},"run":null,"timeout":null,"title":null,"uses":"http.request","with":{"json":{"version":"{{ inputs.version }}"},"method":"POST","url":"https://ci.example.com/builds"}},{"approval":{"approvers":["{{ inputs.first }}","@release-managers"],"ask":"Release {{ inputs.version }}?","form":[{"default":"now","description":null,"label":null,"name":"window","options":[{"label":null,"value":"now"},{"label":"Tonight","value":"tonight"}],"required":true,"type":"select"},{"default":"{{ steps.build.output.body.note }}","description":null,"label":null,"max_length":3000,"min_length":0,"multiline":false,"name":"note","pattern":null,"required":false,"type":"string"}],"on_reject":"continue","on_timeout":"end","quorum":2,"self_approval":false,"show":{"Build":"{{ steps.build.output.body.url }}"},"timeout":"2d","via":["gmail"]},"delay":null,"hold":null,"id":"gate","if":null,"retry":{"backoff":2.0,"delay":"10s","max":0,"max_delay":"1h"},"run":null,"timeout":null,"title":"Go or no-go","uses":null,"with":{}},{"approval":null,"delay":null,"hold":null,"id":"ship","if":"steps.gate.approved","retry":{"backoff":2.0,"delay":"10s","max":0,"max_delay":"1h"},"run":null,"timeout":null,"title":null,"uses":"http.request","with":{"headers":{"Authorization":"Bearer {{ inputs.token }}"},"json":{"build":"{{ steps.build.output.body.url }}","note":"{{ resume.note }}","window":"{{ resume.window }}"},"method":"POST","url":"https://ci.example.com/ship"}},{"approval":null,"delay":null,"hold":null,"id":"tell","if":null,"retry":{"backoff":2.0,"delay":"10s","max":0,"max_delay":"1h"},"run":null,"timeout":null,"title":null,"uses":"slack.post_message","with":{"channel":"#releases","text":"{{ inputs.version }}: {{ approvers | join('', '') or ''nobody'' }}"}}],"title":"Release to production"},"schema":1}');
INSERT INTO "definitions" VALUES(7,X'3F1F00A4FC34E595254167DA94BE044B8EE485721E09223DD0A2236EA7DA8A52','unanimous','{"flow":{"description":null,"flow":"unanimous","inputs":[],"steps":[{"approval":{"approvers":["@release-managers"],"ask":"Please decide","form":[],"on_reject":"end","on_timeout":"end","quorum":"all","self_approval":false,"show":{},"timeout":"3d","via":null},"delay":null,"hold":null,"id":"everybody","if":null,"retry":{"backoff":2.0,"delay":"10s","max":0,"max_delay":"1h"},"run":null,"timeout":null,"title":null,"uses":null,"with":{}},{"approval":null,"delay":null,"hold":null,"id":"after","if":null,"retry":{"backoff":2.0,"delay":"10s","max":0,"max_delay":"1h"},"run":null,"timeout":null,"title":null,"uses":"log","with":{"message":"{{ approvers | join('', '') }}"}}],"title":null},"schema":1}');
INSERT INTO "definitions" VALUES(8,X'D0A76FC3370CE4614673B65AB65056B27FAFF5115411BD9CC1E10DADAA9BECEA','unsure','{"flow":{"description":null,"flow":"unsure","inputs":[],"steps":[{"approval":null,"delay":null,"hold":null,"id":"mail","if":null,"retry":{"backoff":2.0,"delay":"10s","max":0,"max_delay":"1h"},"run":null,"timeout":null,"title":null,"uses":"gmail.send","with":{"subject":"Hello","text":"Hello","to":"bob@example.com"}},{"approval":null,"delay":null,"hold":null,"id":"after","if":null,"retry":{"backoff":2.0,"delay":"10s","max":0,"max_delay":"1h"},"run":null,"timeout":null,"title":null,"uses":"log","with":{"message":"{{ steps.mail.output }}"}}],"title":null},"schema":1}');
CREATE TABLE effects (
  id INTEGER PRIMARY KEY,
  run INTEGER NOT NULL,
  lane INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  due INTEGER NOT NULL,
  path TEXT,
  round INTEGER,
  n INTEGER,
  attempt INTEGER,
  person INTEGER,
  card INTEGER,
  handles TEXT,
  deliveries INTEGER NOT NULL,
  memo TEXT,
  error TEXT,
  parked_at INTEGER
) STRICT;
INSERT INTO "effects" VALUES(2,3780001,0,2,1767776400000,'gate',1,1,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "effects" VALUES(7,3780002,0,2,1767776400000,'gate',1,1,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "effects" VALUES(11,3780003,0,2,1767862800000,'everybody',1,1,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "effects" VALUES(14,3780004,0,2,1767690000000,'fill',1,1,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "effects" VALUES(16,3780005,0,2,1767646800000,'night',1,1,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "effects" VALUES(17,3780006,0,2,1767690000000,'gate',1,1,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "effects" VALUES(20,3780007,3,0,1767607200000,'call',1,NULL,2,NULL,NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "effects" VALUES(21,3780008,3,0,1767603600000,'mail',1,NULL,1,NULL,NULL,NULL,1,NULL,'unknown whether it was done: the connection broke; retry does it again, skip goes on',1767603600000);
CREATE TABLE handles (
  handle TEXT PRIMARY KEY,
  person INTEGER NOT NULL REFERENCES people
) WITHOUT ROWID, STRICT;
INSERT INTO "handles" VALUES('ann@example.com',1);
INSERT INTO "handles" VALUES('bob@example.com',2);
INSERT INTO "handles" VALUES('cay@example.com',3);
INSERT INTO "handles" VALUES('dan@example.com',4);
INSERT INTO "handles" VALUES('eve@example.com',5);
CREATE TABLE ledger (
  run INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  at INTEGER NOT NULL,
  payload TEXT,
  salt BLOB NOT NULL,
  hash BLOB NOT NULL,
  PRIMARY KEY (run, seq)
) WITHOUT ROWID, STRICT;
INSERT INTO "ledger" VALUES(3780001,1,1767603600000,'{"event":null,"facts":[{"is":"RunStarted","flow":"release","definition":"9b5331e7ba2ad18a123cfd09145b04118f685095b805d0e44497b43a82af0c5e","requester":1},{"is":"StepStarted","path":"build","round":1,"attempt":1}]}',X'35280379AEE585BF1FBDAADF2292C052',X'B2AB9B476CDB3BE7F4EF191EBAB0BF01D5DAC8965B660B57C754E7448289BF35');
INSERT INTO "ledger" VALUES(3780001,2,1767603600000,'{"event":{"is":"ActionFinished","path":"build","round":1,"attempt":1},"facts":[{"is":"StepEnded","path":"build","state":"succeeded"},{"is":"SuspensionOpened","n":1,"path":"gate","digest":"c6f490c73a1752c4df4ce93d9063d35bec262bc83dc7f36cd58e7b0819d77fe8","due":1767776400000}]}',X'B6DE2D3456B20B685B0529FFC91FB4FC',X'31C9595C523B128F67C672B10691085FE45D6B40F832BD583230A976FA7FCB62');
INSERT INTO "ledger" VALUES(3780001,3,1767603600000,'{"event":{"is":"DecisionMade","n":1,"person":2,"verdict":"approve","door":"page","comment":"Tests are green.","values":{"window":"tonight","note":"mine"},"digest":"c6f490c73a1752c4df4ce93d9063d35bec262bc83dc7f36cd58e7b0819d77fe8","admin":false},"facts":[{"is":"DecisionCounted","n":1,"person":2,"verdict":"approve","approvals":1,"needed":2}]}',X'B4D7142D86C422EAFDBE6B5596B3CC09',X'69213B13BB7D81F6A21778C3FA8CF795B22F690853EAA4D6319C674E0ED54FB6');
INSERT INTO "ledger" VALUES(3780002,1,1767603600000,'{"event":null,"facts":[{"is":"RunStarted","flow":"release","definition":"9b5331e7ba2ad18a123cfd09145b04118f685095b805d0e44497b43a82af0c5e","requester":1},{"is":"StepStarted","path":"build","round":1,"attempt":1}]}',X'0ACA05DB30EAD9D332D59D4174B9B277',X'C993A8A6E3344E168CF26BDD54314AD99BD36559560D953F96547E95CA5FE2C6');
INSERT INTO "ledger" VALUES(3780002,2,1767603600000,'{"event":{"is":"ActionFinished","path":"build","round":1,"attempt":1},"facts":[{"is":"StepEnded","path":"build","state":"succeeded"},{"is":"SuspensionOpened","n":1,"path":"gate","digest":"158eed7d01066a2d566095d32b146415e3b182d2cdece2c1ee4f83d2c0fc0669","due":1767776400000}]}',X'BBB1E80599438626304B056E9C35E060',X'8012A6D4AF016AB8F4FB272A1D67CD5978E7B4245BC74A7D758D288E123049D4');
INSERT INTO "ledger" VALUES(3780003,1,1767603600000,'{"event":null,"facts":[{"is":"RunStarted","flow":"unanimous","definition":"3f1f00a4fc34e595254167da94be044b8ee485721e09223dd0a2236ea7da8a52","requester":1},{"is":"SuspensionOpened","n":1,"path":"everybody","digest":"233be7b1ea92594e1a6c5e481ce8650323b48962698fb009e838578c760af12a","due":1767862800000}]}',X'C3F322B03E389202066B2B7A3A7053D1',X'15E0DE0CB53E377A8E0D602FE8681BCCDE01105A745F0EADCFDE9DE901760956');
INSERT INTO "ledger" VALUES(3780004,1,1767603600000,'{"event":null,"facts":[{"is":"RunStarted","flow":"hold","definition":"08e828aaac2cfbf0f4e530cb9bbe3ff07b18f1c813ff45244ae1423e88fef9be","requester":1},{"is":"SuspensionOpened","n":1,"path":"fill","digest":"d644d26250fe8d918806b729b3fe9bd7cf48dd8a231a3c1fbde01b03cf2ee2e1","due":1767690000000}]}',X'FA65A7A0FE1A50BE6B25C0E1D8429D07',X'242B181C5CA1086F9032ACEF26589115B6FDC83849307FA49C2DDEC47904BA85');
INSERT INTO "ledger" VALUES(3780005,1,1767603600000,'{"event":null,"facts":[{"is":"RunStarted","flow":"delay","definition":"6f68db04b210163a1a6dcb782374f6b228d0ae092ad86af5f10162383a6ec9d4","requester":1},{"is":"SuspensionOpened","n":1,"path":"night","digest":"","due":1767646800000}]}',X'DAE6EA46E89D9F346E5396A6F3954AA5',X'157293C493304576F2D39D9195CB8AF355EE700C5B87131ED87F893F454C1B80');
INSERT INTO "ledger" VALUES(3780006,1,1767603600000,'{"event":null,"facts":[{"is":"RunStarted","flow":"late","definition":"a0db384d9859fc075f37416e806561974889f33337854195f67c4e387904afac","requester":1},{"is":"SuspensionOpened","n":1,"path":"gate","digest":"80d1baa56024ee25f827f87dcc5c6873ad7011ec6d7eeeb57aa75a48c7c8bc3c","due":1767690000000}]}',X'BF72FA80A5C6E3109593FA18228DCEA8',X'2BD4D5D4C1CD56A3A50668B60B9815A1BF252048779D7A19F876C769704C9D0F');
INSERT INTO "ledger" VALUES(3780007,1,1767603600000,'{"event":null,"facts":[{"is":"RunStarted","flow":"flaky","definition":"2fb9af3aa5024d4681e0914325bbc5ac1fada894eb5e9cd84188d77ba916acb7","requester":1},{"is":"StepStarted","path":"call","round":1,"attempt":1}]}',X'011068398AA76B51725745BB4720A8D4',X'A33EA794A63FBA7B277C2D88C9F1738AC2C0B245059459321AA75D18A2B298C1');
INSERT INTO "ledger" VALUES(3780007,2,1767603600000,'{"event":{"is":"ActionFailed","path":"call","round":1,"attempt":1,"message":"no answer","retryable":true},"facts":[{"is":"StepStarted","path":"call","round":1,"attempt":2}]}',X'4877F64EF7A0F93482E6D49092F40327',X'603531CDF32ACA7A67FE05C0ED67F97F35FD4716CA0369F8334943BE273DEF49');
INSERT INTO "ledger" VALUES(3780008,1,1767603600000,'{"event":null,"facts":[{"is":"RunStarted","flow":"unsure","definition":"d0a76fc3370ce4614673b65ab65056b27faff5115411bd9cc1e10dadaa9becea","requester":1},{"is":"StepStarted","path":"mail","round":1,"attempt":1}]}',X'C83E56B10927BDE585F4231406077A8B',X'E55A3DFB53B8E82671B9E16875C2A56A8BBE5D284D970035C70D5746B79E1748');
INSERT INTO "ledger" VALUES(3780009,1,1767603600000,'{"event":null,"facts":[{"is":"RunStarted","flow":"done","definition":"47230d0cd57cea0a19d04f94a1922e4e5aa0c3f965148b7e264dd98ef78af85e","requester":1},{"is":"SuspensionOpened","n":1,"path":"gate","digest":"c3b70d98bc1dfdf5e46a4a357a60506c3178173d9a376810869b81a8cc6a4d9e","due":1768208400000}]}',X'612BFB1A00514F155D8FE39C5FD2F9E9',X'0FB1D1D9B5EF063E4CF967593A27092EE0CC95DC48151E95CF90BA2C6008C755');
INSERT INTO "ledger" VALUES(3780009,2,1767603600000,'{"event":{"is":"DecisionMade","n":1,"person":2,"verdict":"approve","door":"page","values":{},"digest":"c3b70d98bc1dfdf5e46a4a357a60506c3178173d9a376810869b81a8cc6a4d9e","admin":false},"facts":[{"is":"DecisionCounted","n":1,"person":2,"verdict":"approve","approvals":1,"needed":1},{"is":"SuspensionClosed","n":1,"how":"approved","by":[2]},{"is":"StepEnded","path":"gate","state":"succeeded"},{"is":"StepStarted","path":"after","round":1,"attempt":1}]}',X'77EC71608417E7E7F8A97874A2759ECE',X'680ABB080EB20E8F02D3E63A16D12B83D6945ABACF06B4B83FC041AAD2EE0DD4');
INSERT INTO "ledger" VALUES(3780009,3,1767603600000,'{"event":{"is":"ActionFinished","path":"after","round":1,"attempt":1},"facts":[{"is":"StepEnded","path":"after","state":"succeeded"},{"is":"RunEnded","outcome":"succeeded"}]}',X'AE28089F0B6BD70C470419AF15D33BD5',X'8619DC291D7AEB1E8240852580151F4F2B71B509B42D342B8AC45A4F70F9B449');
INSERT INTO "ledger" VALUES(3780010,1,1767603600000,'{"event":null,"facts":[{"is":"RunStarted","flow":"done","definition":"47230d0cd57cea0a19d04f94a1922e4e5aa0c3f965148b7e264dd98ef78af85e","requester":1},{"is":"SuspensionOpened","n":1,"path":"gate","digest":"3540a03e3f948e481db363ca638678059108e844138b044828b474b91ccb72c3","due":1768208400000}]}',X'0E8C704CC81D24D6F39911D31C01B5F4',X'600397648EC15FCE158413B0A7E9589A8453B4EDBF067DE187527989F25580E1');
INSERT INTO "ledger" VALUES(3780010,2,1767603600000,'{"event":{"is":"DecisionMade","n":1,"person":2,"verdict":"reject","door":"page","comment":"Not on a Friday.","values":{},"digest":"3540a03e3f948e481db363ca638678059108e844138b044828b474b91ccb72c3","admin":false},"facts":[{"is":"DecisionCounted","n":1,"person":2,"verdict":"reject","approvals":0,"needed":1},{"is":"SuspensionClosed","n":1,"how":"rejected","by":[2]},{"is":"StepEnded","path":"gate","state":"rejected"},{"is":"RunEnded","outcome":"rejected","reason":"Not on a Friday."}]}',X'D39539524C882891BA235317F3935D91',X'E2A10153F8EF6551225C14DC7913AA12375CBB5DD393F5D08D460AA5A08BFA6E');
CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value ANY NOT NULL
) WITHOUT ROWID, STRICT;
INSERT INTO "meta" VALUES('epoch',1);
INSERT INTO "meta" VALUES('seed',X'2C806D472261BEA645576438F30D4C36');
CREATE TABLE people (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  email TEXT,
  slack TEXT,
  tz TEXT,
  merged_into INTEGER REFERENCES people
) STRICT;
INSERT INTO "people" VALUES(1,'Ann','ann@example.com',NULL,NULL,NULL);
INSERT INTO "people" VALUES(2,'Bob','bob@example.com',NULL,NULL,NULL);
INSERT INTO "people" VALUES(3,'Cay','cay@example.com',NULL,NULL,NULL);
INSERT INTO "people" VALUES(4,'Dan','dan@example.com',NULL,NULL,NULL);
INSERT INTO "people" VALUES(5,'Eve','eve@example.com',NULL,NULL,NULL);
CREATE TABLE runs (
  id INTEGER PRIMARY KEY,
  definition INTEGER NOT NULL REFERENCES definitions,
  requester INTEGER NOT NULL REFERENCES people,
  inputs TEXT,
  roster TEXT,
  started_at INTEGER NOT NULL,
  acting INTEGER NOT NULL,
  waiting INTEGER NOT NULL,
  suspensions INTEGER NOT NULL,
  version INTEGER NOT NULL,
  outcome INTEGER,
  ended_at INTEGER,
  reason TEXT,
  ended_by TEXT
) STRICT;
INSERT INTO "runs" VALUES(3780001,6,1,'{"version":"1.4.0","token":{"$secret":"token"},"first":"bob@example.com"}',NULL,1767603600000,0,1,1,3,NULL,NULL,NULL,NULL);
INSERT INTO "runs" VALUES(3780002,6,1,'{"version":"1.5.0","token":{"$secret":"token"},"first":"bob@example.com"}',NULL,1767603600000,0,1,1,2,NULL,NULL,NULL,NULL);
INSERT INTO "runs" VALUES(3780003,7,1,NULL,NULL,1767603600000,0,1,1,1,NULL,NULL,NULL,NULL);
INSERT INTO "runs" VALUES(3780004,4,1,NULL,NULL,1767603600000,0,1,1,1,NULL,NULL,NULL,NULL);
INSERT INTO "runs" VALUES(3780005,1,1,NULL,NULL,1767603600000,0,1,1,1,NULL,NULL,NULL,NULL);
INSERT INTO "runs" VALUES(3780006,5,1,NULL,NULL,1767603600000,0,1,1,1,NULL,NULL,NULL,NULL);
INSERT INTO "runs" VALUES(3780007,3,1,NULL,NULL,1767603600000,1,0,0,2,NULL,NULL,NULL,NULL);
INSERT INTO "runs" VALUES(3780008,8,1,NULL,NULL,1767603600000,1,0,0,1,NULL,NULL,NULL,NULL);
INSERT INTO "runs" VALUES(3780009,2,1,NULL,NULL,1767603600000,0,0,1,3,0,1767603600000,NULL,NULL);
INSERT INTO "runs" VALUES(3780010,2,1,NULL,NULL,1767603600000,0,0,1,2,1,1767603600000,'Not on a Friday.','[2]');
CREATE TABLE seats (
  who ANY NOT NULL,
  run INTEGER NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (who, run, n)
) WITHOUT ROWID, STRICT;
INSERT INTO "seats" VALUES(1,3780004,1);
INSERT INTO "seats" VALUES(2,3780001,1);
INSERT INTO "seats" VALUES(2,3780002,1);
INSERT INTO "seats" VALUES(2,3780006,1);
INSERT INTO "seats" VALUES(3,3780003,1);
INSERT INTO "seats" VALUES(4,3780003,1);
INSERT INTO "seats" VALUES('@release-managers',3780001,1);
INSERT INTO "seats" VALUES('@release-managers',3780002,1);
CREATE TABLE secrets (
  run INTEGER NOT NULL,
  name TEXT NOT NULL,
  sealed BLOB NOT NULL,
  PRIMARY KEY (run, name)
) WITHOUT ROWID, STRICT;
INSERT INTO "secrets" VALUES(3780001,'token',X'A03D083B4EF8538D6EDDF436CB88DD4CB12F6E2C8C003EF7A9B8A9F40D39B66E3822352D0ED8BCE151599EF8F1C0ED561CB30473F3');
INSERT INTO "secrets" VALUES(3780002,'token',X'269D0B7987AF292C2DE52B067F110EB7EA4D9972FC96276CE99547F06678B70D4F006F9BD460BA667774559329CA0B89A406E9B2EE');
CREATE TABLE starts (
  token INTEGER NOT NULL,
  key TEXT NOT NULL,
  body BLOB NOT NULL,
  run INTEGER NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (token, key)
) WITHOUT ROWID, STRICT;
INSERT INTO "starts" VALUES(1,'build-4711',X'6CD8C5BC8DB903BE2C475F8CBE3B4333F7190C9FD48094579A5D02B0BB980ADD',3780002,1767603600000);
CREATE TABLE step_runs (
  run INTEGER NOT NULL,
  path TEXT NOT NULL,
  state INTEGER NOT NULL,
  round INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  suspension INTEGER,
  output TEXT,
  error TEXT,
  PRIMARY KEY (run, path)
) WITHOUT ROWID, STRICT;
INSERT INTO "step_runs" VALUES(3780001,'build',3,1,1,NULL,'{"status":201,"headers":{},"body":{"url":"https://ci.example.com/7","note":"from the build"}}',NULL);
INSERT INTO "step_runs" VALUES(3780001,'gate',2,1,0,1,NULL,NULL);
INSERT INTO "step_runs" VALUES(3780002,'build',3,1,1,NULL,'{"status":201,"headers":{},"body":{"url":"https://ci.example.com/7","note":"from the build"}}',NULL);
INSERT INTO "step_runs" VALUES(3780002,'gate',2,1,0,1,NULL,NULL);
INSERT INTO "step_runs" VALUES(3780003,'everybody',2,1,0,1,NULL,NULL);
INSERT INTO "step_runs" VALUES(3780004,'fill',2,1,0,1,NULL,NULL);
INSERT INTO "step_runs" VALUES(3780005,'night',2,1,0,1,NULL,NULL);
INSERT INTO "step_runs" VALUES(3780006,'gate',2,1,0,1,NULL,NULL);
INSERT INTO "step_runs" VALUES(3780007,'call',0,1,2,NULL,NULL,'no answer');
INSERT INTO "step_runs" VALUES(3780008,'mail',0,1,1,NULL,NULL,NULL);
INSERT INTO "step_runs" VALUES(3780009,'after',3,1,1,NULL,NULL,NULL);
INSERT INTO "step_runs" VALUES(3780009,'gate',3,1,0,1,NULL,NULL);
INSERT INTO "step_runs" VALUES(3780010,'gate',5,1,0,1,NULL,NULL);
CREATE TABLE suspensions (
  run INTEGER NOT NULL,
  n INTEGER NOT NULL,
  path TEXT NOT NULL,
  kind INTEGER NOT NULL,
  round INTEGER NOT NULL,
  ordinal INTEGER NOT NULL,
  opened_at INTEGER NOT NULL,
  due INTEGER,
  ask TEXT,
  show TEXT,
  defaults TEXT,
  people TEXT,
  groups TEXT,
  gaps TEXT,
  needed INTEGER NOT NULL,
  digest BLOB,
  generation INTEGER NOT NULL,
  how INTEGER,
  closed_at INTEGER,
  closed_by TEXT,
  PRIMARY KEY (run, n)
) WITHOUT ROWID, STRICT;
INSERT INTO "suspensions" VALUES(3780001,1,'gate',0,1,1,1767603600000,1767776400000,'Release 1.4.0?','{"Build":"https://ci.example.com/7"}','{"note":"from the build"}','[2]','["@release-managers"]',NULL,2,X'C6F490C73A1752C4DF4CE93D9063D35BEC262BC83DC7F36CD58E7B0819D77FE8',1,NULL,NULL,NULL);
INSERT INTO "suspensions" VALUES(3780002,1,'gate',0,1,1,1767603600000,1767776400000,'Release 1.5.0?','{"Build":"https://ci.example.com/7"}','{"note":"from the build"}','[2]','["@release-managers"]',NULL,2,X'158EED7D01066A2D566095D32B146415E3B182D2CDECE2C1EE4F83D2C0FC0669',1,NULL,NULL,NULL);
INSERT INTO "suspensions" VALUES(3780003,1,'everybody',0,1,1,1767603600000,1767862800000,'Please decide',NULL,NULL,'[3,4]',NULL,NULL,2,X'233BE7B1EA92594E1A6C5E481CE8650323B48962698FB009E838578C760AF12A',1,NULL,NULL,NULL);
INSERT INTO "suspensions" VALUES(3780004,1,'fill',1,1,1,1767603600000,1767690000000,'Waiting to be resumed',NULL,NULL,'[1]',NULL,NULL,1,X'D644D26250FE8D918806B729B3FE9BD7CF48DD8A231A3C1FBDE01B03CF2EE2E1',1,NULL,NULL,NULL);
INSERT INTO "suspensions" VALUES(3780005,1,'night',2,1,1,1767603600000,1767646800000,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,1,NULL,NULL,NULL);
INSERT INTO "suspensions" VALUES(3780006,1,'gate',0,1,1,1767603600000,1767690000000,'Please decide',NULL,NULL,'[2]',NULL,NULL,1,X'80D1BAA56024EE25F827F87DCC5C6873AD7011EC6D7EEEB57AA75A48C7C8BC3C',1,NULL,NULL,NULL);
INSERT INTO "suspensions" VALUES(3780009,1,'gate',0,1,1,1767603600000,1768208400000,'Please decide',NULL,NULL,'[2]',NULL,NULL,1,X'C3B70D98BC1DFDF5E46A4A357A60506C3178173D9A376810869B81A8CC6A4D9E',1,0,1767603600000,'[2]');
INSERT INTO "suspensions" VALUES(3780010,1,'gate',0,1,1,1767603600000,1768208400000,'Please decide',NULL,NULL,'[2]',NULL,NULL,1,X'3540A03E3F948E481DB363CA638678059108E844138B044828B474B91CCB72C3',1,1,1767603600000,'[2]');
CREATE TABLE tokens (
  id INTEGER PRIMARY KEY,
  hash BLOB NOT NULL UNIQUE,
  person INTEGER NOT NULL REFERENCES people,
  scopes TEXT NOT NULL,
  issued_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER
) STRICT;
CREATE INDEX cards_of_suspension ON cards (run, n);
CREATE INDEX effects_due ON effects (lane, due) WHERE parked_at IS NULL;
CREATE INDEX effects_of_run ON effects (run);
CREATE UNIQUE INDEX effects_of_card ON effects (card) WHERE card IS NOT NULL;
COMMIT;

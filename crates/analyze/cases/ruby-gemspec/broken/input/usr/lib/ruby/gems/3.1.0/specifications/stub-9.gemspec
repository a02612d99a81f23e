# stub: stubbed 1.5.0 ruby lib

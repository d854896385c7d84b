-- a sequence is a relation of one row
create sequence readable increment 5;
select last_value, is_called from readable;
select nextval('readable'), nextval('readable');
select s.last_value, s.is_called, t.x from readable s, (values (1), (2)) t(x) where s.last_value > t.x order by 3;
alter sequence readable restart 999;
select last_value, is_called from readable;
select last_value from pg_sequences where sequencename = 'readable';
select nextval('readable');
select last_value from pg_sequences where sequencename = 'readable';
insert into readable values (1, 1, true);
drop sequence readable;

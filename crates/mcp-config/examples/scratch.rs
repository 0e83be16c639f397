fn main(){
 let a: Vec<String> = std::env::args().collect();
 match a[1].as_str() { "ref" => print!("{}", mcp_config::reference_markdown()), "schema" => print!("{}", mcp_config::schema_json()),
 f => { let t=std::time::Instant::now(); let s = mcp_config::Sources{file:Some(f.into()),..Default::default()}; match mcp_config::load(&s){Ok(l)=>for x in mcp_config::show(&l){println!("{} = {} ({})",x.key,x.value,x.origin)},Err(e)=>println!("{e}\nhint: {:?}",e.hint())}; println!("{:?}",t.elapsed()) } }
}
